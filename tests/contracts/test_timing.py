"""SEC-04, SEC-12: how long an answer takes says nothing about what other clinics have.

Each round asks for both in turn, so that a busy machine slows both; the medians are compared. A
difference that is there is there in every round, so one quiet round is enough to say there is none.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from statistics import median
from typing import Any
from uuid import uuid4

import pytest

from chroniccare.core.errors import Unauthenticated
from chroniccare.platform.postgres import database
from chroniccare.tenancy.rules import _check, new_key
from tests.client import Clinic
from tests.contracts.operations import RECORDS, Operation, example, made_records, operations

WITH_IDS = [one for one in operations() if one.ids]
ROUNDS = 4
Ask = Callable[[], Awaitable[Any]]


async def seconds(ask: Ask) -> float:
    started = time.perf_counter()
    await ask()
    return time.perf_counter() - started


async def difference(one: Ask, other: Ask, *, pairs: int, below: float) -> float:
    """Return by how much the medians differ, in seconds: the least of the rounds that it takes."""
    least = float("inf")
    for number in range(ROUNDS):  # a longer look where the first finds something
        count = pairs * (1 + 2 * number)
        taken = [(await seconds(one), await seconds(other)) for _ in range(count)]
        least = min(least, abs(median(a for a, _ in taken) - median(b for _, b in taken)))
        if least < below:
            break
    return least


def at(clinic: Clinic, operation: Operation, ids: dict[str, str]) -> Ask:
    path = f"/api/v1{operation.at(ids)}"
    body = None if operation.schema is None else example(operation.schema)

    async def ask() -> None:
        answer = await clinic.http.request(operation.method, path, json=body)
        assert answer.status_code == 404, answer.text

    return ask


async def test_sec_04_another_clinics_id_takes_as_long_as_one_that_never_was(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    names = [name for name in RECORDS if any(name in one.ids for one in WITH_IDS)]
    foreign = await made_records(other_clinic, names)
    slow = {}
    for operation in WITH_IDS:
        own = {name: str(uuid4()) for name in operation.ids}
        theirs = {name: foreign[name] for name in operation.ids}
        found = await difference(
            at(clinic, operation, theirs), at(clinic, operation, own), pairs=3, below=0.005
        )
        if found >= 0.005:
            slow[operation.name] = found
    assert not slow


async def test_sec_12_a_known_id_with_a_wrong_secret_takes_as_long_as_an_unknown_one(
    clinic: Clinic,
) -> None:
    authority = clinic.app.state.authority

    def wrong(*, known: bool) -> Ask:
        async def ask() -> None:
            key = new_key("live")[0]
            if known:
                body = "_".join([*clinic.key.split("_")[:3], *key.split("_")[3:-1]])
                key = f"{body}_{_check(body)}"
            with suppress(Unauthenticated):
                await authority.identify(key, now=database().clock(), address=None, clinic=None)
                pytest.fail("a wrong key was taken")

        return ask

    found = await difference(wrong(known=True), wrong(known=False), pairs=100, below=0.0005)
    assert found < 0.0005
