"""Claim: two workers hand over 2,000 messages a second on PostgreSQL alone, 1,200 through RabbitMQ.

Confirmations of visits are planned by the product's own planning and sent by `chroniccare work`
processes to a driver that takes no time. The rate is that of the middle of the run, when every
worker is up. Beside it a Celery worker with as many processes does one task a message on the same
broker: two transactions that write the same rows. While bulk messages drain, urgent ones that fall
due each second are timed from their due time to their answer.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import psutil
from tests.rabbitmq import private_node

from chroniccare.core.caller import Caller
from chroniccare.core.ids import new_id
from chroniccare.migrations.runner import migrate
from chroniccare.notifications.plan import Visit, plan_visit
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import load as load_settings

from .clinic import new_clinic, new_patients, new_staff
from .meter import cpu_seconds, told
from .stage import Stage, settings_of, stage

MESSAGES = 30_000
BULK = 100_000
TASKS = 4_000
WORKERS = 2
PATIENTS = 500
URGENT_S = 20
_CHUNK = 1_000
_VISITS = Command(
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, status, created_at,"
    " updated_at) SELECT d.id, $2, d.patient_id, d.provider_id, d.facility_id, 'follow_up',"
    " d.start, d.start + interval '5 minutes', 5, 'scheduled', $3, $3"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, patient_id uuid, provider_id uuid,"
    " facility_id uuid, start timestamptz)"
)
_DONE = "SELECT count(*) FROM notifications WHERE delivery_status IN ('accepted', 'delivered')"


class Clinic:
    """A clinic whose visits are near enough to have a confirmation alone."""

    def __init__(self, caller: Caller, facility: UUID, staff: UUID, patients: list[UUID]) -> None:
        self.caller, self.facility, self.staff, self.patients = caller, facility, staff, patients

    async def plan(self, count: int) -> list[UUID]:
        """Plan a message for each of `count` visits; return the visits."""
        made: list[UUID] = []
        while len(made) < count:
            rows: list[dict[str, Any]] = [
                {
                    "id": new_id(), "patient_id": self.patients[n % len(self.patients)],
                    "provider_id": self.staff, "facility_id": self.facility,
                    "start": datetime.now(UTC) + timedelta(minutes=100),
                }
                for n in range(min(_CHUNK, count - len(made)))
            ]  # fmt: skip
            async with begin(self.caller) as tx:
                await tx.run(_VISITS, rows, self.caller.tenant_id, tx.now)
                visits = [
                    Visit(
                        row["id"], 1, row["patient_id"], row["provider_id"], row["start"],
                        "Ada Provider", "Bench", "America/New_York",
                    )
                    for row in rows
                ]  # fmt: skip
                await plan_visit(tx, visits)
            made += [row["id"] for row in rows]
        return made


@contextmanager
def workers(environment: dict[str, str], count: int) -> Iterator[None]:
    """Run `count` workers."""
    command = [sys.executable, "-m", "chroniccare.cli", "work"]
    started = [
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) for _ in range(count)
    ]
    try:
        yield
    finally:
        for one in started:
            one.send_signal(signal.SIGTERM)
        for one in started:
            one.wait(timeout=30)


async def _drained(owner: "asyncpg.Connection[asyncpg.Record]", count: int, before: int) -> float:
    """Return the messages a second between a tenth and nine tenths of `count`."""
    began: tuple[float, int, dict[str, float]] | None = None
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        done = await owner.fetchval(_DONE) - before
        now = time.perf_counter()
        if began is None and done >= count / 10:
            began = now, done, cpu_seconds()
        if began is not None and done >= count * 9 / 10:
            print(f"{'':34} {told(began[2], cpu_seconds(), each=done - began[1])}")
            return float((done - began[1]) / (now - began[0]))
        await asyncio.sleep(0.05)
    raise TimeoutError("the messages did not drain")


async def _sustained(where: Stage, clinic: Clinic, environment: dict[str, str]) -> float:
    async with owner_connection(where.database_url) as owner:
        before = await owner.fetchval(_DONE)
        await clinic.plan(MESSAGES)
        await owner.execute("ANALYZE")
        with workers(environment, WORKERS):
            return await _drained(owner, MESSAGES, before)


async def _urgent(where: Stage, clinic: Clinic, environment: dict[str, str]) -> list[float]:
    """Return how long urgent messages took from their due time, while bulk ones drain."""
    async with owner_connection(where.database_url) as owner:
        await clinic.plan(BULK)
        await owner.execute(
            "UPDATE notifications SET priority = 'bulk' WHERE delivery_status = 'pending'"
            " AND next_attempt_at <= now()"
        )
        await owner.execute("ANALYZE notifications")
        seen: list[UUID] = []
        with workers(environment, WORKERS):
            before = await owner.fetchval(_DONE)
            while await owner.fetchval(_DONE) < before + 1_000:  # noqa: ASYNC110  workers start
                await asyncio.sleep(0.05)
            for _ in range(URGENT_S):
                visits = await clinic.plan(10)
                seen += visits
                await owner.execute(
                    "UPDATE notifications SET priority = 'urgent' WHERE appointment_id = ANY($1)"
                    " AND delivery_status = 'pending'", visits,
                )  # fmt: skip
                await asyncio.sleep(1)
            await asyncio.sleep(5)
            left = await owner.fetchval(
                "SELECT count(*) FROM notifications WHERE priority = 'bulk'"
                " AND delivery_status NOT IN ('accepted', 'delivered')"
            )
        rows = await owner.fetch(
            "SELECT extract(epoch FROM sent_at - created_at)::float8 AS s FROM notifications"
            " WHERE appointment_id = ANY($1) AND sent_at IS NOT NULL", seen,
        )  # fmt: skip
    assert len(rows) == len(seen), f"{len(seen) - len(rows)} urgent messages were not sent"
    print(f"{'':34} {left} of {BULK} bulk messages were still waiting at the end")
    return sorted(row["s"] for row in rows)


async def _celery(where: Stage, clinic: Clinic, broker: str) -> float:
    """Return the tasks a second of Celery."""
    environment = {
        **where.environment, "CELERY_BROKER": broker, "CELERY_DATABASE": where.database_url,
    }  # fmt: skip
    async with owner_connection(where.database_url) as owner:
        await owner.execute("DELETE FROM notification_attempts")
        await owner.execute("UPDATE notifications SET delivery_status = 'cancelled' WHERE"
                            " delivery_status IN ('pending', 'held', 'queued')")  # fmt: skip
        await clinic.plan(TASKS)
        rows = await owner.fetch("SELECT id FROM notifications WHERE delivery_status = 'pending'"
                                 " AND next_attempt_at <= now()")  # fmt: skip
        ids = [str(row["id"]) for row in rows]
        before = await owner.fetchval(_DONE)
        put = [sys.executable, "-m", "benchmarks.celery_tasks", "put"]
        subprocess.run(put, env=environment, input=orjson.dumps(ids), check=True, cwd=_ROOT)  # noqa: ASYNC221
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "celery", "-A", "benchmarks.celery_tasks", "worker",
             "--concurrency", str(WORKERS), "--loglevel", "ERROR", "--without-gossip",
             "--without-mingle"],
            env=environment, stdin=subprocess.DEVNULL, cwd=_ROOT,
        )  # fmt: skip
        pool = []
        try:
            found = await _drained(owner, len(ids), before)
            pool = psutil.Process(process.pid).children(recursive=True)
            return found
        finally:
            # Measured is the middle: its warm shutdown, which may take long, adds nothing.
            process.kill()
            for child in pool:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            process.wait(timeout=30)


_ROOT = Path(__file__).parent.parent


async def _measure(where: Stage, broker: str) -> None:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, _ = await new_clinic()
        facility, staff = await new_staff(caller, 1)
        clinic = Clinic(caller, facility, staff[0], await new_patients(caller, PATIENTS))
        null = {
            **where.environment, "CHRONICCARE_SMS_DRIVER": "null",
            "CHRONICCARE_LOG_LEVEL": "ERROR",
        }  # fmt: skip
        alone = await _sustained(where, clinic, null)
        print(f"{'PostgreSQL alone':34} {alone:6.0f}/s", flush=True)
        brokered = await _sustained(where, clinic, {**null, "RABBITMQ_URL": broker})
        print(f"{'through RabbitMQ':34} {brokered:6.0f}/s", flush=True)
        tasks = await _celery(where, clinic, broker)
        print(
            f"{'Celery, a task a message':34} {tasks:6.0f}/s; ours {brokered / tasks:.1f} times"
            f" that through RabbitMQ, {alone / tasks:.1f} times on PostgreSQL alone"
        )
        waited = await _urgent(where, clinic, null)
        p95, p99 = (waited[int(share * len(waited))] for share in (0.95, 0.99))
        print(f"{'urgent beside bulk':34} p95 {p95:.2f} s, p99 {p99:.2f} s from due to answered")
    assert alone >= 2_000, "less than 2,000/s on PostgreSQL alone"
    assert brokered >= 1_200, "less than 1,200/s through RabbitMQ"
    assert alone >= 4 * tasks, "less than four times a task a message"
    assert brokered >= 4 * tasks, "through RabbitMQ less than four times a task a message"
    assert p95 <= 3, "urgent messages waited for bulk ones"


def main() -> None:
    """Run the benchmark."""
    with ExitStack() as stack:
        where = stack.enter_context(stage())
        broker = os.environ.get("RABBITMQ_URL") or stack.enter_context(private_node()).url
        asyncio.run(_measure(where, broker))


if __name__ == "__main__":
    main()
