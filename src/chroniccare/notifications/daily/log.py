"""The delivery log in DynamoDB: one item a message, written under conditions.

`notificationId` is made of the appointment, `timestamp` is when that begins, in milliseconds since
1970: the same message has the same key in every run. Item and attempts hold no address, no name and
no text; `patientId` is the list's, for `PatientIndex`. `ttl` is when DynamoDB drops the item.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from chroniccare.notifications.batch_file import Row
from chroniccare.notifications.daily.rules import SENDING, Entry
from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError

KEPT = timedelta(days=90)
LEASE = timedelta(seconds=60)
"""A run that calls a provider comes back sooner, or not at all."""
_MOST_KEYS = 100
_READERS = 8
_PAUSES_S = (0.1, 0.4, 1.6)
_REFUSED = "ConditionalCheckFailedException"
_NAMES = {"#status": "status", "#ttl": "ttl"}  # both are reserved words

Key = tuple[str, int]


def key_of(row: Row) -> Key:
    """Return the key of a row's message."""
    return row.key.removeprefix("file:"), int(row.starts_at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Log:
    """The table; `client` is one of DynamoDB."""

    client: Client
    table: str

    async def read(self, keys: Iterable[Key]) -> dict[Key, Entry]:
        """Return what the log says of these messages; those it does not know are left out.

        Raises:
            AwsError: it cannot be read.
        """
        slots, found = asyncio.Semaphore(_READERS), dict[Key, Entry]()

        async def some(part: list[Key]) -> None:
            async with slots:
                asked: list[Any] = [_key(one) for one in part]
                for pause in (*_PAUSES_S, None):
                    request = {"Keys": asked, "ConsistentRead": True}
                    answer = await self._call("batch_get_item", RequestItems={self.table: request})
                    for item in answer["Responses"].get(self.table, ()):
                        found[item["notificationId"]["S"], int(item["timestamp"]["N"])] = _read(
                            item
                        )
                    asked = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
                    if not asked:
                        return
                    if pause is not None:
                        await asyncio.sleep(pause)
                raise AwsError("transient", "throttled", "UnprocessedKeys")

        await asyncio.gather(*(some(part) for part in _parts(keys)))
        return found

    async def claim(
        self, row: Row, seen: Entry | None, attempt: Entry, *, batch_id: str, now: datetime
    ) -> bool:
        """Make the message this attempt's; False: since it was `seen`, another run came first.

        Raises:
            AwsError: that cannot be known.
        """
        values = {
            ":sending": _text(SENDING), ":channel": _text(attempt.channel),
            ":attempt": _text(attempt.attempt), ":lease": _seconds(now + LEASE),
            ":batch": _text(batch_id), ":patient": _text(row.patient),
            ":at": _text(row.local.isoformat()), ":now": _text(_stamp(now)),
            ":ttl": _seconds(now + KEPT),
        }  # fmt: skip
        # Its own attempt, too: a claim whose answer was lost is asked for again.
        free = "attribute_not_exists(notificationId)"
        if seen is not None:
            free = "#status = :seen AND attempt = :before"
            values |= {":seen": _text(seen.status), ":before": _text(seen.attempt)}
        return await self._write(
            key_of(row),
            "SET #status = :sending, channel = :channel, attempt = :attempt, leaseUntil = :lease,"
            " batchId = :batch, patientId = :patient, appointmentTime = :at,"
            " createdAt = if_not_exists(createdAt, :now), #ttl = :ttl",
            f"({free}) OR attempt = :attempt",
            values,
        )

    async def settle(
        self, row: Row, status: str, attempt: Entry, *, code: str | None, message_id: str | None,
        now: datetime,
    ) -> bool:  # fmt: skip
        """Write what became of an attempt behind those before; False: it is not ours any more.

        Raises:
            AwsError: it cannot be written.
        """
        told = {"channel": attempt.channel, "attempt": attempt.attempt, "status": status,
                "at": _stamp(now), "code": code, "messageId": message_id}  # fmt: skip
        entry = {"M": {name: _text(value) for name, value in told.items() if value}}
        values = {
            ":status": _text(status), ":message": _text(message_id or ""),
            ":attempt": _text(attempt.attempt), ":none": {"L": []}, ":entry": {"L": [entry]},
        }  # fmt: skip
        return await self._write(
            key_of(row),
            "SET #status = :status, messageId = :message,"
            " attempts = list_append(if_not_exists(attempts, :none), :entry)",
            # Written once: a repetition of a lost answer finds another status.
            "attempt = :attempt AND #status <> :status",
            values,
        )

    async def unreachable(self, row: Row, status: str, *, batch_id: str, now: datetime) -> None:
        """Write that nobody could be reached, unless something else is known.

        Raises:
            AwsError: it cannot be written.
        """
        values = {
            ":status": _text(status), ":batch": _text(batch_id), ":patient": _text(row.patient),
            ":at": _text(row.local.isoformat()), ":now": _text(_stamp(now)),
            ":ttl": _seconds(now + KEPT), ":none": _text(""),
        }  # fmt: skip
        await self._write(
            key_of(row),
            "SET #status = :status, channel = :none, attempt = :none, batchId = :batch,"
            " patientId = :patient, appointmentTime = :at,"
            " createdAt = if_not_exists(createdAt, :now), #ttl = :ttl",
            "attribute_not_exists(notificationId)",
            values,
        )

    async def _write(
        self, key: Key, update: str, condition: str, values: Mapping[str, Any]
    ) -> bool:
        # A name that is not used would be refused.
        names = {short: name for short, name in _NAMES.items() if short in update + condition}
        try:
            await self._call(
                "update_item", TableName=self.table, Key=_key(key), UpdateExpression=update,
                ConditionExpression=condition, ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )  # fmt: skip
        except AwsError as error:
            if error.aws == _REFUSED:
                return False
            raise
        return True

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call DynamoDB, again after a moment: each of our writes may be repeated."""
        for pause in _PAUSES_S:
            try:
                return await self.client.send(operation, **parameters)
            except AwsError as error:
                if error.aws == _REFUSED or error.code == "configuration":
                    raise
            await asyncio.sleep(pause)
        return await self.client.send(operation, **parameters)


def _parts(keys: Iterable[Key]) -> Iterator[list[Key]]:
    """Yield the keys, each once, as many at a time as one request may ask for."""
    rest = iter(dict.fromkeys(keys))
    while part := list(islice(rest, _MOST_KEYS)):
        yield part


def _read(item: Mapping[str, Any]) -> Entry:
    lease = item.get("leaseUntil")
    return Entry(
        item["status"]["S"], item["channel"]["S"], item["attempt"]["S"],
        datetime.fromtimestamp(int(lease["N"]), UTC) if lease else None,
    )  # fmt: skip


def _key(key: Key) -> dict[str, Any]:
    return {"notificationId": _text(key[0]), "timestamp": {"N": str(key[1])}}


def _text(value: str) -> dict[str, str]:
    return {"S": value}


def _seconds(at: datetime) -> dict[str, str]:
    return {"N": str(int(at.timestamp()))}


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
