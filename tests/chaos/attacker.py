"""One connection of a client: it asks until there is an answer, and remembers visits."""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from tests.chaos.journal import CUT, Got, Journal, Sent, now
from tests.chaos.world import LENGTHS, OFFSETS, TYPES, World

_PATIENCE_S = 30.0
_PAUSE_S = 0.2
_KNOWN = 60
NOBODY = "00000000-0000-7000-8000-000000000000"
_LOST = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
_SEEN = (
    "id", "version", "status", "scheduled_start", "provider_id", "patient_id", "reason",
)  # fmt: skip


@dataclass(slots=True)
class Wire:
    """One kept connection of HTTP/1.1."""

    port: int
    key: str
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def request(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Return status and body; status CUT when the connection was lost."""
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"{method} /api/v1{path} HTTP/1.1\r\nhost: x\r\nx-api-key: {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        )
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if self.reader is not None and self.reader.at_eof():  # it ended while it was idle
                    self.close()
                if self.reader is None or self.writer is None:
                    self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.writer.write(head.encode() + body)
                answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
                length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
                return int(answer[9:12]), await self.reader.readexactly(length)
        except _LOST:
            self.close()
            return CUT, b""

    def close(self) -> None:
        """Drop the connection."""
        if self.writer is not None:
            with suppress(OSError):
                self.writer.close()
        self.reader = self.writer = None


@dataclass(slots=True)
class Attacker:
    """One connection, its dice, and the visits it has heard of."""

    world: World
    journal: Journal
    dice: random.Random
    wire: Wire
    second: Wire
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def key(self) -> str:
        """Return a new Idempotency-Key, which a new visit also carries as its reason."""
        return f"{self.world.run}-{self.dice.getrandbits(64):016x}"

    def aim(self) -> tuple[str, datetime]:
        """Return a provider and a start: mostly what everybody wants now, give or take."""
        provider, hour = self.world.hot(now())
        if self.dice.random() < 0.2:
            provider, hour = self.dice.choice(self.world.providers), self.world.hour(self.dice)
        return provider, hour + timedelta(minutes=self.dice.choice(OFFSETS))

    def visit(self, **more: Any) -> dict[str, Any]:
        """Return a visit to book; its reason, which is also its key, is its name."""
        provider, start = self.aim()
        return {
            "patient_id": self.dice.choice(self.world.patients),
            "provider_id": provider,
            "facility_id": self.world.facility,
            "appointment_type": self.dice.choice(TYPES),
            "scheduled_start": start.isoformat(),
            "duration_minutes": self.dice.choice(LENGTHS),
            "reason": self.key(),
            **more,
        }

    def others(self, provider: str) -> list[str]:
        """Return another provider who must be there as well."""
        return [self.dice.choice([one for one in self.world.providers if one != provider])]

    def pick(self, *statuses: str) -> str:
        """Return the id of a visit in one of these states, as far as is known, or of any.

        Without any it is that of none.
        """
        fit = [one["id"] for one in self.known.values() if one["status"] in statuses]
        return str(self.dice.choice(fit or list(self.known) or [NOBODY]))

    def hear(self, visits: list[dict[str, Any]]) -> None:
        """Remember visits, the latest heard of last."""
        for visit in visits:
            if visit["id"] not in self.world.today:
                self.known.pop(visit["id"], None)
                self.known[visit["id"]] = visit
        for old in list(self.known)[:-_KNOWN]:
            del self.known[old]

    async def look(self, *statuses: str) -> None:
        """Hear of visits that others booked."""
        provider, hour = self.world.hot(now())
        day = hour.replace(hour=0)
        query = f"provider_id={provider}&from={day:%Y-%m-%dT%H:%M:%SZ}&limit=50"
        if statuses:
            query += f"&status={self.dice.choice(statuses)}"
        self.hear(await self.list(f"/appointments?{query}"))

    async def list(self, path: str) -> list[dict[str, Any]]:
        """Return one page of a list; nothing when there is no answer."""
        status, body = await self.wire.request("GET", path, b"", {})
        return list(orjson.loads(body)["data"]["items"]) if status == 200 else []

    async def read(self, visit_id: str) -> dict[str, Any] | None:
        """Return a visit as it is now."""
        status, body = await self.wire.request("GET", f"/appointments/{visit_id}", b"", {})
        found: dict[str, Any] | None = orjson.loads(body)["data"] if status == 200 else None
        return found

    async def post(
        self, attack: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Got:
        """Post once, however often it is sent."""
        return await self.send(attack, "POST", path, body, key=key or self.key())

    async def send(
        self, attack: str, method: str, path: str, body: Any = None, *, key: str | None = None,
        headers: dict[str, str] | None = None, wire: Wire | None = None,
    ) -> Got:  # fmt: skip
        """Send a request until there is a final answer."""
        text = "" if body is None else orjson.dumps(body).decode()
        headers = dict(headers or {})
        if key is not None:
            headers["idempotency-key"] = key
        sent = Sent(self.journal.number(), attack, method, path, text, key, headers, now())
        self.journal.write(sent)
        return await self.until_answered(sent, wire or self.wire)

    async def until_answered(self, sent: Sent, wire: Wire) -> Got:
        """Send a noted request until there is a final answer; note every answer."""
        deadline = now() + _PATIENCE_S
        while True:
            started, at = time.perf_counter(), now()
            status, raw = await wire.request(
                sent.method, sent.url, sent.body.encode(), sent.headers
            )
            got = _got(sent.number, status, raw, time.perf_counter() - started, at)
            self.journal.write(got)
            if got.is_final or now() > deadline:
                break
            await asyncio.sleep(_PAUSE_S)
        self.hear(got.visits)
        return got


def _got(number: int, status: int, raw: bytes, seconds: float, at: float) -> Got:
    answer: dict[str, Any] = orjson.loads(raw) if raw else {}
    error = answer.get("error") or {}
    return Got(
        number, status, error.get("code", ""), error.get("message", ""), seconds, at,
        [] if error else list(_visits(answer.get("data"))),
    )  # fmt: skip


def _visits(data: Any) -> list[dict[str, Any]]:
    """Return every visit in an answer."""
    if isinstance(data, list):
        return [visit for one in data for visit in _visits(one)]
    if not isinstance(data, dict):
        return []
    if "reschedule_count" in data:
        return [{name: data[name] for name in _SEEN}]
    return [visit for one in data.values() for visit in _visits(one)]
