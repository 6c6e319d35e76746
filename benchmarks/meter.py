"""CPU seconds of a benchmark's processes: on a busy machine they tell more than a clock."""

import os
from collections import defaultdict
from collections.abc import Mapping

import psutil

_KINDS = {
    "postgres": "PostgreSQL",
    "beam.smp": "RabbitMQ",
    "simulate": "simulator",
    "celery": "Celery",
    "cli work": "workers",
}


def cpu_seconds() -> dict[str, float]:
    """Return the CPU seconds so far by kind of process, of this one (`here`) and its children."""
    here = psutil.Process()
    spent: defaultdict[str, float] = defaultdict(float)
    for process in (here, *here.children(recursive=True)):
        try:
            line, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue  # it has just ended
        kind = "here" if process == here else _kind(line)
        spent[kind] += times.user + times.system
    return dict(spent)


def _kind(line: str) -> str:
    return next((kind for part, kind in _KINDS.items() if part in line), "other")


def told(before: Mapping[str, float], after: Mapping[str, float], *, each: int = 1) -> str:
    """Return the CPU time between two readings, in ms for each of so many, and the load."""
    spent = {kind: after[kind] - before.get(kind, 0.0) for kind in after}
    parts = [
        f"{kind} {1000 * s / each:.2f}" for kind, s in sorted(spent.items()) if s / each > 5e-6
    ]
    return f"CPU ms each: {', '.join(parts)}; load {os.getloadavg()[0]:.1f}"
