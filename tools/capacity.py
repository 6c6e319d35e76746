"""What an installation needs for so many patients, on AWS: docs/scale.md has the tables.

    python tools/capacity.py

prints them. Pure: measured costs and assumptions in, machines and money out. `MEASURED` are of
docs/benchmarks.md and of the demo clinic; `Habits` and `PRICES` are assumptions, to be put right.
"""

import sys
from dataclasses import dataclass, field
from math import ceil

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
DAY_S, HOUR_S, YEAR_D, MONTH_H = 86_400, 3_600, 365, 730
MS, US, GB = 1e-3, 1e-6, 10**9


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one deed: in our processes, in PostgreSQL, in RabbitMQ."""

    ours: float
    postgres: float
    broker: float = 0.0


MEASURED = {
    "read": Cost(295 * US, 72 * US),
    "page": Cost(2_350 * US, 3_475 * US),
    "booking": Cost(2.77 * MS, 2.77 * MS),
    "observation": Cost(3.5 * MS, 0.95 * MS),
    "message": Cost(0.95 * MS, 0.60 * MS, 0.22 * MS),
    "dose": Cost(21 * US, 30 * US),
    "seal": Cost(70 * US, 70 * US),
}
"""`page`: a day of 70 visits with their patients. `booking`: two cores for 361 a second, halved.
`seal`: 14,278 rows a second, counted for both."""

BYTES = {"patient": 5_200, "visit": 2_340, "message": 4_200, "dose": 800, "observation": 5_780,
         "audit": 1_750}  # fmt: skip
"""Rows with their indexes, and those that come with them."""
READ_BY_A_PAGE = 140
"""Records of a page, 70 visits and their patients: each has a row of the audit (audit/reads.py)."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What a patient with a chronic illness causes on a day, and when."""

    visits: float = 6 / YEAR_D
    messages_a_visit: float = 4
    dose_messages: float = 0.2
    doses: float = 3.75
    observations: float = 1.0
    reads: float = 3.0
    pages: float = 0.1
    busiest_hour: float = 0.15
    """Share of a day's requests."""
    morning_hour: float = 0.25
    """Share of a day's messages."""
    sms: float = 0.6
    years: float = 3
    """For which a shard has room; doses, messages and observations are kept that long."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes, by the second, in the busiest hour; and what is kept."""

    requests: float
    messages: float
    observations: float
    ours: float
    """Cores of the API."""
    workers: float
    """Cores of the workers."""
    postgres: float
    broker: float
    stored: float
    """Bytes after `Habits.years`."""
    audit: float
    """Rows of the audit, by the second of the busiest hour."""
    largest_table: float
    """Rows of the audit by then."""
    messages_a_day: float


def load(patients: int, habits: Habits | None = None) -> Load:
    """Return what so many patients cause."""
    h = habits or Habits()
    messages = h.visits * h.messages_a_visit + h.dose_messages
    requests = {"read": h.reads, "page": h.pages, "booking": h.visits,
                "observation": h.observations}  # fmt: skip
    hour = patients * h.busiest_hour / HOUR_S
    sent = patients * messages * h.morning_hour / HOUR_S
    written = sum(requests.values()) + h.pages * (READ_BY_A_PAGE - 1)
    audit = written + messages
    steady = {"dose": patients * h.doses / DAY_S, "seal": patients * audit / DAY_S}
    days = h.years * YEAR_D
    kept = BYTES["patient"] + days * (
        h.visits * BYTES["visit"] + messages * BYTES["message"] + h.doses * BYTES["dose"]
        + h.observations * BYTES["observation"] + audit * BYTES["audit"]
    )  # fmt: skip
    return Load(
        requests=hour * sum(requests.values()),
        messages=sent,
        observations=hour * h.observations,
        ours=hour * sum(rate * MEASURED[name].ours for name, rate in requests.items()),
        workers=sent * MEASURED["message"].ours
        + sum(rate * MEASURED[name].ours for name, rate in steady.items()),
        postgres=hour * sum(rate * MEASURED[name].postgres for name, rate in requests.items())
        + sent * MEASURED["message"].postgres
        + sum(rate * MEASURED[name].postgres for name, rate in steady.items()),
        broker=sent * MEASURED["message"].broker,
        stored=patients * kept,
        audit=hour * written + sent,
        largest_table=patients * audit * days,
        messages_a_day=patients * messages,
    )


BUSY = 0.5
"""Share of a core that is meant to be used in the busiest hour; the rest is for bad days."""
HEADROOM = 1.25
"""The fullest shard may hold this much more than the mean one; tools/capacity_trial.py says why."""
SHARD_BYTES = 8_000 * GB
"""Most that one PostgreSQL is meant to hold: what can be restored in a night."""
PARTITION_ROWS = 500_000_000
"""Rows beyond which a table wants to be cut by months."""
POOL = 11
"""Connections of a process: ten, and the one that hears the bell."""

CLASSES = (("db.t4g.medium", 2, 4), ("db.m7g.large", 2, 8), ("db.r7g.xlarge", 4, 32),
           ("db.r7g.2xlarge", 8, 64), ("db.r7g.4xlarge", 16, 128), ("db.r7g.8xlarge", 32, 256),
           ("db.r7g.16xlarge", 64, 512))  # fmt: skip
"""Name, vCPU and GiB; those that data.yaml takes."""


_DATABASE_HOUR = {
    "db.t4g.medium": 0.065,
    "db.m7g.large": 0.168,
    "db.r7g.xlarge": 0.478,
    "db.r7g.2xlarge": 0.956,
    "db.r7g.4xlarge": 1.912,
    "db.r7g.8xlarge": 3.824,
    "db.r7g.16xlarge": 7.648,
}


@dataclass(frozen=True, slots=True)
class Prices:
    """USD of us-east-1 as we know them: a class of database an hour in one zone, and the rest."""

    database: dict[str, float] = field(default_factory=lambda: dict(_DATABASE_HOUR))
    disk_gb_month: float = 0.115
    backup_gb_month: float = 0.095
    task_hour: float = 0.0395
    """One vCPU and 2 GB on arm64."""
    broker_node_hour: float = 0.29
    cache_node_hour: float = 0.126
    zone_month: float = 90.0
    """NAT and the endpoints of a zone."""
    fixed_month: float = 190.0
    """Load balancer, firewall, keys, secrets, logs, alarms."""
    sms: float = 0.0095
    email: float = 0.0001


PRICES = Prices()


@dataclass(frozen=True, slots=True)
class Plan:
    """The machines of all shards together, and what they cost a month without messages."""

    patients: int
    shards: int
    database: str
    disk_gb: int
    api: int
    workers: int
    connections: int
    queue: int
    """Ids that wait in RabbitMQ when nothing has been taken for ten minutes of the morning."""
    partitions: int
    """Months by which the audit wants to be cut; 0: it need not be."""
    machines_month: float
    messages_month: float


def plan(patients: int, habits: Habits | None = None) -> Plan:
    """Return what so many patients need, in production."""
    h = habits or Habits()
    whole = load(patients, h)
    largest = CLASSES[-1]
    shards = max(1, ceil(whole.postgres * HEADROOM / (largest[1] * BUSY)),
                 ceil(whole.stored * HEADROOM / SHARD_BYTES))  # fmt: skip
    spare = HEADROOM if shards > 1 else 1.0
    cores = whole.postgres * spare / shards / BUSY
    stored = whole.stored * spare / shards
    # A sixty-fourth of what is stored in memory: the last weeks, which is what is asked for.
    name = next(
        name for name, cpus, gib in CLASSES[1:]
        if name == largest[0] or (cpus >= cores and gib * 2**30 >= stored / 64)
    )  # fmt: skip
    api = max(3, ceil(whole.ours * spare / shards / BUSY))
    workers = max(2, ceil(whole.workers * spare / shards / BUSY))
    disk = max(400, ceil(stored / GB / 100) * 100)
    p = PRICES
    month = p.fixed_month + 3 * p.zone_month + MONTH_H * (
        2 * p.database[name] + (api + workers) * p.task_hour
        + 3 * p.broker_node_hour + 2 * p.cache_node_hour
    ) + disk * (2 * p.disk_gb_month + p.backup_gb_month)  # fmt: skip
    monthly = whole.messages_a_day * YEAR_D / 12
    return Plan(
        patients, shards, name, disk * shards, api * shards, workers * shards,
        connections=(api + workers) * POOL, queue=ceil(whole.messages * 600 / shards),
        partitions=72 if whole.largest_table * spare / shards > PARTITION_ROWS else 0,
        machines_month=month * shards,
        messages_month=monthly * (h.sms * p.sms + (1 - h.sms) * p.email),
    )  # fmt: skip


def breaks(habits: Habits | None = None) -> list[tuple[str, str, int]]:
    """Return for each part of one installation its limit, and at how many patients it is reached.

    The first in the list breaks first.
    """
    one = load(1_000_000, habits)
    sms = one.messages * (habits or Habits()).sms

    def reached(limit: float, by_million: float) -> int:
        return int(limit / by_million * 1_000_000)

    small, large = CLASSES[2], CLASSES[-1]
    found = [
        ("SMS of one ten-digit number", "1 part a second", reached(1, sms)),
        ("SMS of one toll-free number", "3 parts a second", reached(3, sms)),
        ("SMS of one short code", "100 parts a second", reached(100, sms)),
        (f"PostgreSQL as data.yaml begins, {small[0]}", f"{small[1]} vCPU, half used",
         reached(small[1] * BUSY, one.postgres)),
        (f"PostgreSQL at its largest, {large[0]}", f"{large[1]} vCPU, half used",
         reached(large[1] * BUSY, one.postgres)),
        ("the disk, after three years", "8 TB to restore in a night",
         reached(SHARD_BYTES, one.stored)),
        ("the audit as one table, after three years", "500 million rows",
         reached(PARTITION_ROWS, one.largest_table)),
        ("the chain of one clinic's audit", "14,278 rows a second",
         reached(14_278, one.audit)),
        ("workers by RabbitMQ, as measured on two cores", "1,296 messages a second",
         reached(1_296, one.messages)),
        ("workers by PostgreSQL alone, likewise", "3,249 messages a second",
         reached(3_249, one.messages)),
        ("20 tasks of the API", "20 vCPU, half used", reached(20 * BUSY, one.ours)),
        ("10 workers", "10 vCPU, half used", reached(10 * BUSY, one.workers)),
    ]  # fmt: skip
    return sorted(found, key=lambda each: each[2])


def rounded(value: float) -> str:
    """Return a figure as the tables have it: two digits that count, with commas."""
    digits = len(str(int(value))) - 2
    if digits < 0:
        return f"{value:.2f}" if value < 1 else f"{value:.1f}"
    return f"{round(value / 10**digits) * 10**digits:,}"


_COMES = (
    "| patients | requests/s | observations/s | messages/s "
    "| cores: API, workers, PostgreSQL, RabbitMQ | stored after 3 years |"
)
_TAKES = (
    "| patients | shards | PostgreSQL of each | disk | API, worker tasks "
    "| connections of a shard | ids that wait after 10 minutes | partitions "
    "| machines a month | messages a month |"
)


def tables() -> str:
    """Return the tables of docs/scale.md."""
    lines = [_COMES, "|---|---|---|---|---|---|"]
    for size in SIZES:
        one = load(size)
        cores = ", ".join(map(rounded, (one.ours, one.workers, one.postgres, one.broker)))
        lines.append(
            f"| {size:,} | {rounded(one.requests)} | {rounded(one.observations)} "
            f"| {rounded(one.messages)} | {cores} | {rounded(one.stored / GB)} GB |"
        )
    lines += ["", _TAKES, "|---|---|---|---|---|---|---|---|---|---|"]
    for size in SIZES:
        made = plan(size)
        lines.append(
            f"| {size:,} | {made.shards} | {made.database} | {made.disk_gb:,} GB "
            f"| {made.api:,}, {made.workers:,} | {made.connections:,} | {made.queue:,} "
            f"| {made.partitions or 'none'} | {rounded(made.machines_month)} USD "
            f"| {rounded(made.messages_month)} USD |"
        )
    lines += ["", "| part of one installation | limit | reached at, patients |", "|---|---|---|"]
    lines += [f"| {name} | {limit} | {rounded(at)} |" for name, limit, at in breaks()]
    return "\n".join(lines)


def costs() -> str:
    """Return the table of docs/aws.md: what a clinic, or many, cost a month."""
    lines = ["| patients | machines | messages | a patient |", "|---|---|---|---|"]
    for size in SIZES:
        made = plan(size)
        whole = made.machines_month + made.messages_month
        lines.append(
            f"| {size:,} | {rounded(made.machines_month)} USD | {rounded(made.messages_month)} USD "
            f"| {rounded(whole / size)} USD |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{tables()}\n\n{costs()}\n")
