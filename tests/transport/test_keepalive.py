"""Sockets are pinged once per interval, all by one timer."""

from __future__ import annotations

from hubbub.transport.keepalive import Keepalive
from support.virtual import VirtualLoop


class Heart:
    """Remembers when it was pinged; dies after so many beats."""

    def __init__(self, loop: VirtualLoop, beats: int = 1 << 30) -> None:
        self.loop = loop
        self.left = beats
        self.times: list[float] = []

    def beat(self) -> bool:
        self.times.append(self.loop.time())
        self.left -= 1
        return self.left > 0


def timers(loop: VirtualLoop) -> int:
    return sum(timer.callback is not None for *_, timer in loop._timers)


def test_a_socket_is_pinged_once_per_interval() -> None:
    loop = VirtualLoop()
    heart = Heart(loop)
    Keepalive(loop).watch(heart, 20.0)
    loop.advance(205.0)
    gaps = [b - a for a, b in zip([0.0, *heart.times], heart.times, strict=False)]
    assert len(heart.times) in {9, 10}
    assert all(20.0 <= gap <= 21.0 for gap in gaps)


def test_a_short_interval_is_kept_to_a_quarter() -> None:
    loop = VirtualLoop()
    heart = Heart(loop)
    Keepalive(loop).watch(heart, 0.2)
    loop.advance(2.0)
    gaps = [b - a for a, b in zip([0.0, *heart.times], heart.times, strict=False)]
    assert all(0.19 <= gap <= 0.26 for gap in gaps)


def test_a_socket_that_joins_late_waits_its_whole_interval() -> None:
    loop = VirtualLoop()
    keepalive, early, late = Keepalive(loop), Heart(loop), Heart(loop)
    keepalive.watch(early, 20.0)
    loop.advance(19.5)
    keepalive.watch(late, 20.0)
    loop.advance(19.0)
    assert len(early.times) == 1
    assert late.times == []
    loop.advance(2.0)
    assert len(late.times) == 1


def test_sockets_with_different_intervals_keep_their_own() -> None:
    loop = VirtualLoop()
    keepalive, slow, fast = Keepalive(loop), Heart(loop), Heart(loop)
    keepalive.watch(slow, 40.0)
    loop.advance(0.5)
    keepalive.watch(fast, 2.0)
    loop.advance(43.0)
    assert len(slow.times) == 1
    assert 17 <= len(fast.times) <= 21


def test_a_short_interval_is_kept_although_a_long_one_came_first() -> None:
    loop = VirtualLoop()
    keepalive, fast = Keepalive(loop), Heart(loop)
    keepalive.watch(Heart(loop), 120.0)
    keepalive.watch(fast, 1.0)
    loop.advance(1.6)
    assert len(fast.times) == 1


def test_a_socket_that_is_gone_is_forgotten_and_the_last_one_stops_the_timer() -> None:
    loop = VirtualLoop()
    keepalive, heart = Keepalive(loop), Heart(loop, beats=2)
    keepalive.watch(heart, 1.0)
    loop.advance(10.0)
    assert len(heart.times) == 2
    assert timers(loop) == 0
    again = Heart(loop)
    keepalive.watch(again, 1.0)
    loop.advance(2.0)
    assert again.times


def test_thousands_of_sockets_share_one_timer() -> None:
    loop = VirtualLoop()
    keepalive = Keepalive(loop)
    hearts = [Heart(loop) for _ in range(5000)]
    for heart in hearts:
        keepalive.watch(heart, 20.0)
    assert timers(loop) == 1
    loop.advance(21.0)
    assert all(len(heart.times) == 1 for heart in hearts)
    assert timers(loop) == 1


def test_after_a_stop_nobody_is_pinged() -> None:
    loop = VirtualLoop()
    keepalive, heart = Keepalive(loop), Heart(loop)
    keepalive.watch(heart, 1.0)
    keepalive.stop()
    loop.advance(10.0)
    assert heart.times == []
    assert timers(loop) == 0
