"""``make simulate``: one seed with all that happens, or many on all cores."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time

from support.simulation import Result, play

CHUNK = 20
"""Seeds that a core takes at a time."""


def replay(seed: int) -> bool:
    """Play one seed and print everything that happens; True when all is well."""
    result = play(seed, tell=True)
    print(result.report(last=0))
    print("all is well" if not result.faults else "BROKEN")
    return not result.faults


def play_many(first: int, count: int) -> bool:
    """Play many seeds on all cores; prints those that break, and how far it is."""
    broken = deliveries = 0
    began = time.monotonic()
    with multiprocessing.Pool() as pool:
        results = pool.imap_unordered(play, range(first, first + count), CHUNK)
        for done, result in enumerate(results, 1):
            deliveries += result.deliveries
            if result.faults:
                broken += 1
                _print_over_progress(result)
            if done % CHUNK == 0 or done == count:
                rate = done / (time.monotonic() - began)
                left = (count - done) / rate
                line = f"{done} of {count} seeds, {broken} broken, {rate:.0f}/s, {left:.0f} s left"
                print(f"\r{line:<70}", end="", flush=True)
    print(f"\n{deliveries} messages delivered")
    return not broken


def _print_over_progress(result: Result) -> None:
    print(f"\r{'':<70}\r{result.report(last=30)}\n", flush=True)


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
