"""Tries what tools/capacity.py plans: clinics put onto shards, a morning's messages, a busy second.

    python tools/capacity_trial.py

prints what came out. Simulated time, seeded, no clock: the same each time.
"""

import sys
from heapq import heapify, heappop, heappush
from random import Random

from tools.capacity import BUSY, HEADROOM, MEASURED, SIZES, Habits, load, plan

URGENT = 0.01
"""Share of messages that may not wait behind the others."""


def fullest(shards: int, *, mean_clinics: int = 200, seed: int = 1, hashed: bool = False) -> float:
    """Return how full the fullest shard is against the mean, once every clinic has its place.

    Clinics come one by one; their sizes differ as those of companies do (Pareto, 1.2), and none is
    more than a quarter of a shard. Each goes to the emptiest shard, or, `hashed`, anywhere.
    """
    random = Random(seed)  # noqa: S311  a simulation
    most = float(mean_clinics)  # the mean clinic is about four
    clinics = [min(random.paretovariate(1.2), most) for _ in range(shards * mean_clinics)]
    held = [0.0] * shards
    heap = [(0.0, number) for number in range(shards)]
    for size in clinics:
        if hashed:
            held[random.randrange(shards)] += size
        else:
            filled, number = heappop(heap)
            held[number] = filled + size
            heappush(heap, (filled + size, number))
    return max(held) * shards / sum(held)


def waits(arrivals: list[float], service: list[float], servers: int) -> list[float]:
    """Return how long each waits for the first free one of `servers`, in order of arrival."""
    free = [0.0] * servers
    heapify(free)
    found = []
    for at, takes in zip(arrivals, service, strict=True):
        begins = max(at, heappop(free))
        heappush(free, begins + takes)
        found.append(begins - at)
    return found


def busy_second(patients: int, *, requests: int = 40_000, seed: int = 1) -> float:
    """Return the 99th percentile of what requests wait for a core of the API, in seconds.

    They come at random at the rate of the busiest hour, to the planned tasks of one shard.
    """
    random = Random(seed)  # noqa: S311  a simulation
    made, whole = plan(patients), load(patients)
    spare = HEADROOM if made.shards > 1 else 1.0
    rate = whole.requests * spare / made.shards
    takes = whole.ours / whole.requests
    at, arrivals = 0.0, []
    for _ in range(requests):
        at += random.expovariate(rate)
        arrivals.append(at)
    service = [random.expovariate(1 / takes) for _ in range(requests)]
    found = sorted(waits(arrivals, service, made.api // made.shards))
    return found[int(0.99 * requests)]


def morning(patients: int, habits: Habits | None = None) -> tuple[float, float]:
    """Return when the last message is out, and the last urgent one, in seconds after eight.

    Quiet hours end: what a quarter of the day brings is due at once, on one shard; urgent messages
    are spread among them and are taken first, one batch of fifty after the other.
    """
    h = habits or Habits()
    made, whole = plan(patients), load(patients)
    spare = HEADROOM if made.shards > 1 else 1.0
    due = max(1, round(whole.messages_a_day * h.morning_hour * spare / made.shards))
    urgent = max(1, round(due * URGENT))
    each = MEASURED["message"].ours + MEASURED["message"].postgres
    servers = made.workers // made.shards
    batches = [50] * (due // 50) + ([due % 50] if due % 50 else [])
    service = [size * each for size in batches]
    started = waits([0.0] * len(service), service, servers)
    ended = [at + takes for at, takes in zip(started, service, strict=True)]
    return max(ended), max(ended[: -(-urgent // 50)])


def main() -> None:
    """Print what the tests hold."""
    for shards in sorted({plan(size).shards for size in SIZES} - {1}):
        placed, anywhere = fullest(shards), fullest(shards, hashed=True)
        sys.stdout.write(f"{shards} shards: fullest {placed:.2f}, by a hash {anywhere:.2f}\n")
    for size in SIZES:
        last, urgent = morning(size)
        sys.stdout.write(
            f"{size:,} patients: a request waits {busy_second(size) * 1000:.1f} ms (p99) at "
            f"{BUSY:.0%}; the morning is out after {last:.1f} s, urgent after {urgent:.1f} s\n"
        )


if __name__ == "__main__":
    main()
