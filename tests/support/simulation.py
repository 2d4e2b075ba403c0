"""Plays a mesh of three gateways on virtual time, by a seed; ``play`` is the door."""

from __future__ import annotations

import gc
import logging
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from support.simulation_story import Broken, Story

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.simulation_world import World


class Result(NamedTuple):
    """What a run came to."""

    seed: int
    faults: tuple[str, ...]
    """Broken promises; none when all is well."""
    log: tuple[str, ...]
    deliveries: int

    def report(self, last: int = 60) -> str:
        """Tell what broke, how to replay it, and what happened before."""
        lines = [f"seed {self.seed}: {fault}" for fault in self.faults]
        log = self.log[-last:] if last else self.log
        again = f"replay with: make simulate SEED={self.seed}"
        return "\n".join((*lines, again, *log))


def play_all(seeds: Iterable[int]) -> Iterator[Result]:
    """Play many runs; each leaves its actors to be collected, but not while it runs."""
    gc.disable()
    try:
        for number, seed in enumerate(seeds, 1):
            yield play(seed)
            if number % 10 == 0:
                gc.collect()
    finally:
        gc.enable()


def keep_promises(seeds: Iterable[int]) -> None:
    """Assert that a mesh keeps its promises, whatever these seeds bring."""
    broken = [result.report() for result in play_all(seeds) if result.faults]
    assert not broken, "\n\n".join(broken)


def play(seed: int, *, tell: bool = False) -> Result:
    """Play one run to its end, or until something breaks.

    Args:
        seed: Which run.
        tell: Whether to tell what happened even when nothing broke.
    """
    result = _play(seed, tell=tell)
    if tell or not result.faults:
        return result
    # Once more, to write down what happens: it costs too much to do it always.
    again = _play(seed, tell=True)
    if again.faults == result.faults:
        return again
    faults = (*result.faults, "it did not happen again:", *again.faults)
    return again._replace(faults=faults)


def _play(seed: int, *, tell: bool) -> Result:
    story = Story(seed, tell=tell)
    world, model = story.world, story.model
    with Errors(world) as errors:
        try:
            story.play()
        except Broken:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, its seed is a finding
            model.broken(traceback.format_exc())
        finally:
            story.end()
    log = tuple(map(_line, world.log))
    return Result(seed, (*model.faults, *errors.texts), log, model.deliveries)


def _line(entry: tuple[Any, ...]) -> str:
    time, *what = entry
    return f"{time:9.3f}  {' '.join(map(str, what))}"


class Errors(logging.Handler):
    """Collects what actors log as errors during a run: none of it may happen."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []
        self._world = world
        self._logger = logging.getLogger("hubbub.actors")
        self._level = self._logger.level

    def __enter__(self) -> Self:
        self._logger.setLevel(logging.INFO if self._world.tell else logging.ERROR)
        self._logger.addHandler(self)
        self._logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
        self._logger.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        self._world.note("log:", record.getMessage())
        if record.levelno >= logging.ERROR:
            self.texts.append(logging.Formatter().format(record))
