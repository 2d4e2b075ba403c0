"""``make simulate``: one seed with all that happens, or many on all cores."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time

from support.simulation import Result, play, play_all

CHUNK = 20
"""Seeds that a core takes at a time."""


def replay(seed: int) -> bool:
    """Play one seed and print everything that happens; True when all is well."""
    result = play(seed, tell=True)
    _say(f"{result.report(last=0)}\n")
    _say("BROKEN\n" if result.faults else "all is well\n")
    return not result.faults


def play_many(first: int, count: int) -> bool:
    """Play many seeds on all cores; prints those that break, and how far it is."""
    broken = deliveries = 0
    began = time.monotonic()
    chunks = [
        range(start, min(start + CHUNK, first + count))
        for start in range(first, first + count, CHUNK)
    ]
    with multiprocessing.Pool() as pool:
        done = 0
        for results in pool.imap_unordered(_chunk, chunks):
            for result in results:
                deliveries += result.deliveries
                if result.faults:
                    broken += 1
                    _say(f"\r{'':<70}\r{result.report(last=30)}\n\n")
            done += len(results)
            rate = done / (time.monotonic() - began)
            left = f"{rate:.0f}/s, {(count - done) / rate:.0f} s left"
            _say(f"\r{f'{done} of {count} seeds, {broken} broken, {left}':<70}")
    _say(f"\n{deliveries} messages delivered\n")
    return not broken


def _chunk(seeds: range) -> list[Result]:
    return list(play_all(seeds))


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one")
    parser.add_argument("--seeds", type=int, default=1000, help="play so many")
    parser.add_argument("--first", type=int, default=0, help="begin with this one")
    options = parser.parse_args()
    if options.seed is not None:
        return 0 if replay(options.seed) else 1
    return 0 if play_many(options.first, options.seeds) else 1


if __name__ == "__main__":
    sys.exit(main())
