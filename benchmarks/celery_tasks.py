"""The usual way, to compare with: a Celery task for each message, two transactions in each.

What it writes is what ours writes for a message: the row goes to `sending` with an attempt, then
both get their outcome; the history is kept by the same triggers.
"""

import asyncio
import os
import sys
from typing import Any

import asyncpg
import orjson
from celery import Celery  # type: ignore[import-untyped]

app = Celery("bench", broker=os.environ.get("CELERY_BROKER", ""))
app.conf.update(
    task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=8,
    task_default_queue="bench",
)  # fmt: skip
_BEGIN = (
    "SELECT n.id, n.tenant_id, p.first_name, a.scheduled_start, c.value FROM notifications n"
    " JOIN patients p ON p.id = n.patient_id JOIN appointments a ON a.id = n.appointment_id"
    " JOIN contact_points c ON c.patient_id = p.id AND c.system = 'phone'"
    " WHERE n.id = $1 AND n.delivery_status = 'pending' FOR UPDATE OF n"
)
_QUEUED = (
    "UPDATE notifications SET delivery_status = 'queued', fence = fence + 1, updated_at = now()"
    " WHERE id = $1"
)
_SENDING = _QUEUED.replace("queued", "sending")
_ATTEMPT = (
    "INSERT INTO notification_attempts (id, tenant_id, notification_id, number, channel, driver,"
    " recipient, status, started_at) VALUES (gen_random_uuid(), $1, $2, 1, 'sms', 'null', $3,"
    " 'in_flight', now()) RETURNING id"
)
_ANSWERED = (
    "UPDATE notification_attempts SET status = 'accepted', finished_at = now() WHERE id = $1"
)
_DONE = (
    "UPDATE notifications SET delivery_status = 'accepted', sent_at = now(), updated_at = now()"
    " WHERE id = $1"
)
_loop = asyncio.new_event_loop()
_held: dict[str, Any] = {}


@app.task(name="send")  # type: ignore[untyped-decorator]
def send(notification_id: str) -> None:
    """Send one message."""
    _loop.run_until_complete(_send(notification_id))


async def _send(notification_id: str) -> None:
    connection = _held.get("connection")
    if connection is None:
        connection = _held["connection"] = await asyncpg.connect(os.environ["CELERY_DATABASE"])
    async with connection.transaction():
        row = await connection.fetchrow(_BEGIN, notification_id)
        if row is None:
            return
        await connection.execute(_QUEUED, notification_id)
        await connection.execute(_SENDING, notification_id)
        attempt = await connection.fetchval(_ATTEMPT, row["tenant_id"], row["id"], row["value"])
    async with connection.transaction():
        await connection.execute(_ANSWERED, attempt)
        await connection.execute(_DONE, notification_id)


if __name__ == "__main__" and sys.argv[1:] == ["put"]:
    from benchmarks.celery_tasks import send as named  # the worker knows it by this name

    for one in orjson.loads(sys.stdin.buffer.read()):
        named.delay(one)
