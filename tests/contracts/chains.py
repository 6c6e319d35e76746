"""Sequences over /api/v1: what earlier answers named is read, changed, moved and removed later.

A chain is one clinic. Each step is an operation chosen at random, on ids that answers of this chain
gave; half of the time one that goes on with the record of the step before. What it changed is read
back, what it refused must have changed nothing, and what is sent twice with one key happens once.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx

from chroniccare.providers.rules import npi_check_digit
from tests.client import Clinic
from tests.contracts.operations import (
    RECORDS,
    Operation,
    example,
    made_records,
    operations,
    resolved,
)

Json = dict[str, Any]
COLLECTIONS = {path: name for name, (path, _) in RECORDS.items()} | {
    "/patients/{patient_id}/medications": "medication_id",
    "/patients/{patient_id}/calendar-feeds": "feed_id",
    "/providers/{provider_id}/calendar-feeds": "feed_id",
    "/patients/{patient_id}/export": "job_id",
    "/group-sessions/{group_session_id}/appointments": "appointment_id",
    "/waitlist/{entry_id}/offers": "offer_id",
}
"""What a POST makes."""
_KEPT = 12
"""Records of a kind that are aimed at."""
_ODD: tuple[Any, ...] = (
    None, "", 0, -1, True, [], {}, "x", "x" * 300, "2026-02-30", "\u202e", 10**12, ["x"],
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
_DONE = frozenset({"DELETE", "PUT"})
_CHANCES = {"GET": 4, "POST": 5, "PUT": 6, "DELETE": 1}


@dataclass(frozen=True, slots=True)
class Step:
    """One request."""

    operation: Operation
    ids: dict[str, str]
    body: Any
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return self.operation.at(self.ids)

    def __str__(self) -> str:
        body = "" if self.body is None else json.dumps(self.body)[:1500]
        return f"{self.operation.method} {self.path} {self.headers} {body}"


class Chain:
    """One clinic, worked on by the throws of one seed."""

    def __init__(self, clinic: Clinic, dice: Random) -> None:
        self.clinic, self.dice = clinic, dice
        self.pool: dict[str, list[dict[str, str]]] = {}
        self.tags: dict[str, str] = {}
        self.here: dict[str, str] = {}
        self.answers: Counter[str] = Counter()
        self.number = 0
        self.every = sorted(operations(), key=lambda one: one.name)
        self.readers = {one.path: one for one in self.every if one.method == "GET"}

    async def begin(self) -> None:
        """Make two records of each kind, and providers who work at one place."""
        for _ in range(2):
            ids: dict[str, str] = await made_records(self.clinic, RECORDS)
            for name in ids:
                self.keep(name, ids)
        place = self.pool["facility_id"][-1]["facility_id"]
        for _ in range(3):
            link = [{"facility_id": place, "is_primary": True}]
            made = await self.clinic.provider(facilities=link)
            self.keep("provider_id", {"provider_id": made["id"], "facility_id": place})

    def keep(self, name: str, ids: dict[str, str]) -> None:
        """Remember a record, with the ids that stand before its own in its path."""
        kept = self.pool.setdefault(name, [])
        kept.append(dict(ids))
        if len(kept) > _KEPT:
            kept.pop(self.dice.randrange(_KEPT))

    def is_rare(self, share: float) -> bool:
        return self.dice.random() < share

    def step(self) -> Step:
        """Choose the next request."""
        method = self.dice.choices(list(_CHANCES), list(_CHANCES.values()))[0]
        able = [one for one in self.every if one.method == method]
        if self.here and self.is_rare(0.6):
            going_on = [one for one in able if set(one.ids) & set(self.here)]
            able = [one for one in going_on if set(one.ids) <= set(self.here)] or going_on or able
        operation = self.dice.choice(able)
        ids = self._ids(operation)
        headers = {}
        if operation.method == "POST" and self.is_rare(0.3):
            self.number += 1
            headers["Idempotency-Key"] = f"chain-{self.number}"
        tag = self.tags.get(operation.at(ids))
        if tag and self.is_rare(0.4):
            headers["If-Match"] = tag
        elif self.is_rare(0.03):
            headers["If-Match"] = self.dice.choice(['"0"', "*", "x"])
        return Step(operation, ids, self._body(operation, ids), headers)

    def _ids(self, operation: Operation) -> dict[str, str]:
        """Return ids for a path: those of the step before, or of what was made."""
        found: dict[str, str] = {}
        for name in reversed(operation.ids):  # the inner one says of whom it is
            if name in found:
                continue
            if name in self.here and self.is_rare(0.7):
                found |= self.here
            else:
                found |= self.dice.choice(self.pool[name])
        return {**self.here, **found} if set(operation.ids) <= set(found) else found

    def _body(self, operation: Operation, ids: dict[str, str]) -> Any:
        if operation.schema is None:
            return None
        said = example(operation.schema)
        if not isinstance(said, dict):
            return said
        said = self._fitted(copy.deepcopy(said), ids)
        optional = set(said) - set(resolved(operation.schema).get("required", []))
        for name in sorted(optional):
            if self.is_rare(0.5):
                del said[name]
        if said and self.is_rare(0.2):
            holder, key = self.dice.choice(list(_places(said)))
            holder[key] = self.dice.choice(_ODD)
        return said

    def _fitted(self, value: Any, ids: dict[str, str]) -> Any:
        """Have an example speak of records that are there, of times to come and of new numbers."""
        if isinstance(value, list):
            return [self._fitted(one, ids) for one in value]
        if not isinstance(value, dict):
            return value
        together = {**self.dice.choice(self.pool["provider_id"])}
        found = {}
        for name, one in value.items():
            single = name.replace("_ids", "_id")
            if single in self.pool and one is not None:
                led = ids.get(single) if self.is_rare(0.5) else together.get(single)
                led = led or self.dice.choice(self.pool[single])[single]
                found[name] = [led] if isinstance(one, list) else led
            else:
                found[name] = self._fresh(name, self._fitted(one, ids))
        return found

    def _fresh(self, name: str, value: Any) -> Any:
        self.number += 1
        hour = timedelta(days=self.dice.randint(1, 30), hours=self.dice.randint(0, 23))
        later = (datetime.now(UTC) + hour).replace(minute=0, second=0, microsecond=0)
        nine = f"1{self.number:08d}"
        fresh = {
            "mrn": f"c-{self.number}",
            "code": f"c-{self.number}",
            "npi": nine + npi_check_digit(nine),
            "email": f"c{self.number}@example.com",
            "scheduled_start": later.isoformat(),
            "scheduled_end": None,
            **dict.fromkeys(("first_date", "start_date", "day"), later.date().isoformat()),
        }
        return fresh.get(name, value)

    async def take(self, step: Step) -> None:
        """Send a request and judge what came of it.

        Raises:
            AssertionError: it was not as it must be.
        """
        watched = await self._watch(step)
        answer = await self._send(step)
        self.answers[f"{step.operation.method} {answer.status_code}"] += 1
        assert answer.status_code != 401, "our key is of no use any more"
        if "Idempotency-Key" in step.headers and answer.status_code < 500:
            again = await self._send(step)
            assert again.status_code == answer.status_code, f"the same key: {again.text[:800]}"
            different = _different(_data(answer), _data(again))
            assert different.keys() <= _ONCE, f"the same key was answered otherwise: {different}"
        if not answer.is_success:
            await self._nothing_changed(watched)
            return
        self._learn(step, answer)
        if step.operation.method in _DONE:
            await self._read_back(step, answer)

    async def _send(self, step: Step) -> httpx.Response:
        return await self.clinic.send(
            step.operation.method, step.path, json=step.body, headers=step.headers
        )

    def _reader(self, step: Step) -> str | None:
        """Return the path at which the record of a step is read."""
        path = step.operation.path
        while path not in self.readers and "/" in path.strip("/"):
            path = path.rpartition("/")[0]
        if not path.endswith("}") or path not in self.readers:
            return None
        return self.readers[path].at(step.ids)

    async def _watch(self, step: Step) -> tuple[str, httpx.Response] | None:
        """Look at a record before something is tried with it."""
        path = self._reader(step)
        if path is None or step.operation.method == "GET":
            return None
        return path, await self.clinic.get(path)

    async def _nothing_changed(self, watched: tuple[str, httpx.Response] | None) -> None:
        if watched is None:
            return
        path, before = watched
        after = await self.clinic.get(path)
        assert after.headers.get("etag") == before.headers.get("etag"), "refused, and yet changed"
        different = _different(_data(before), _data(after))
        assert not different, f"refused, and yet changed: {different}"

    async def _read_back(self, step: Step, answer: httpx.Response) -> None:
        path = step.operation.path
        if path not in self.readers:
            return
        read = await self.clinic.get(step.path)
        if step.operation.method == "PUT":
            assert read.status_code == 200, f"written, then {read.status_code}"
            if "etag" in answer.headers:
                assert read.headers["etag"] == answer.headers["etag"]
            different = _different(_data(answer), _data(read))
            assert different.keys() <= _OF_A_WRITE, f"not as written: {different}"
            return
        told = read.json().get("data") or {}
        is_over = bool(_states(told) & _ENDED) or any(told.get(name) for name in _SINCE)
        is_over = is_over or read.status_code == 404
        assert is_over, f"removed, and still there: {read.text[:800]}"

    def _learn(self, step: Step, answer: httpx.Response) -> None:
        """Remember what an answer names, and go on with it."""
        own = {name: step.ids[name] for name in step.operation.ids}
        self.here = own or self.here
        if "etag" in answer.headers:
            self.tags[step.path] = answer.headers["etag"]
        made = COLLECTIONS.get(step.operation.path)
        data = answer.json().get("data")
        if isinstance(data, dict) and answer.status_code == 201 and made and data.get("id"):
            beside = {key: data[key] for key in ("patient_id", "provider_id") if data.get(key)}
            self.here = {**own, **beside, made: data["id"]}
            self.keep(made, self.here)


_ONCE = frozenset({"password", "key", "secret", "signing_key", "url"})
"""What is told once: a repeated request is answered without it."""
_OF_A_WRITE = frozenset({"warnings"})
"""What an answer to a write says beside the record."""
_ENDED = frozenset({"cancelled", "removed", "stopped", False})
_SINCE = ("voided_at", "ended_at", "revoked_at")


def _different(one: Any, other: Any) -> Json:
    """Return the members that are not the same, as both have them."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted(one.keys() | other.keys())
        return {
            name: (one.get(name), other.get(name))
            for name in names
            if one.get(name) != other.get(name)
        }
    return {} if one == other else {"": (one, other)}


def _states(told: Json) -> set[Any]:
    """Return what a record says of its own state."""
    return {told[name] for name in ("status", "is_active", "active", "enabled") if name in told}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, member in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(member, dict | list):
            yield from _places(member)


def _data(answer: httpx.Response) -> Any:
    body = answer.json() if answer.content else {}
    return body.get("data", body.get("error"))
