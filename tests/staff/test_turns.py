"""One clinic's flood waits in its own line; the others are served meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.app import build
from chroniccare.settings import Settings
from chroniccare.tenancy import turns as turns_module
from chroniccare.tenancy.turns import TooManyAtOnce, Turns
from tests.client import Clinic

PATH = "/api/v1/facilities"


@pytest.fixture
def narrow(settings: Settings, running: object) -> FastAPI:
    """An application that works on two requests of a clinic at once, while twenty wait."""
    del running
    return build(settings.model_copy(update={"requests_at_once": 2}))


@pytest.fixture
async def http(narrow: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(narrow)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as client:
        yield client


@asynccontextmanager
async def turn(turns: Turns, clinic: Clinic) -> AsyncIterator[None]:
    await turns.take(clinic.tenant_id)
    try:
        yield
    finally:
        turns.give_back(clinic.tenant_id)


async def ask(http: httpx.AsyncClient, clinic: Clinic) -> httpx.Response:
    return await http.get(PATH, headers={"X-API-Key": clinic.key})


async def test_a_full_line_is_refused_and_other_clinics_are_served(
    narrow: FastAPI, http: httpx.AsyncClient, clinic: Clinic, other_clinic: Clinic
) -> None:
    turns: Turns = narrow.state.authority.turns
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(turn(turns, clinic))
        waiting = [asyncio.create_task(ask(http, clinic)) for _ in range(20)]
        for _ in range(500):
            if turns.lines[clinic.tenant_id].count == 22:
                break
            await asyncio.sleep(0.01)
        started = time.monotonic()
        refused = await ask(http, clinic)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "TOO_MANY_AT_ONCE"
        assert refused.headers["retry-after"] == "1"
        assert time.monotonic() - started >= 1  # so that asking again at once gains nothing
        assert (await ask(http, other_clinic)).status_code == 200
        assert not any(one.done() for one in waiting)
    assert {one.status_code for one in await asyncio.gather(*waiting)} == {200}
    assert turns.lines == {}


async def test_whoever_waits_too_long_is_refused(
    narrow: FastAPI, http: httpx.AsyncClient, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "_LONGEST_S", 0.05)
    turns: Turns = narrow.state.authority.turns
    async with turn(turns, clinic), turn(turns, clinic):
        assert (await ask(http, clinic)).status_code == 429
    assert (await ask(http, clinic)).status_code == 200
    assert turns.lines == {}


async def test_a_refused_request_gives_its_turn_back(
    narrow: FastAPI, http: httpx.AsyncClient, clinic: Clinic
) -> None:
    for _ in range(5):
        bad = await http.get(f"{PATH}?no=such", headers={"X-API-Key": clinic.key})
        assert bad.status_code == 400
    assert narrow.state.authority.turns.lines == {}


async def test_nobody_is_asked_to_wait_for_a_body_that_does_not_come(
    narrow: FastAPI, http: httpx.AsyncClient, clinic: Clinic
) -> None:
    """A turn is held when the body is there: who sends slowly holds up nobody."""
    headers = {"X-API-Key": clinic.key, "Content-Type": "application/json"}
    came = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await came.wait()
        yield b"}"

    slow = [
        asyncio.create_task(http.post(PATH, content=slowly(), headers=headers)) for _ in range(4)
    ]
    await asyncio.sleep(0.05)
    assert narrow.state.authority.turns.lines == {}
    assert (await ask(http, clinic)).status_code == 200
    came.set()
    assert {one.status_code for one in await asyncio.gather(*slow)} == {400}


@given(
    most=st.integers(1, 4),
    work=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), min_size=1, max_size=40
    ),
)
def test_no_more_than_so_many_at_once_and_nothing_is_left_behind(
    most: int, work: list[tuple[int, int, bool]]
) -> None:
    """Each piece of work is of a tenant, takes some steps, and is given up in the middle or not."""
    tenants = [uuid4() for _ in range(3)]

    async def run() -> None:
        turns, at_work, done = Turns(most), dict.fromkeys(tenants, 0), 0

        async def piece(tenant: int, steps: int) -> None:
            nonlocal done
            who = tenants[tenant]
            await turns.take(who)
            at_work[who] += 1
            try:
                assert at_work[who] <= most
                for _ in range(steps):
                    await asyncio.sleep(0)
            finally:
                at_work[who] -= 1
                turns.give_back(who)
            done += 1

        tasks = [(asyncio.create_task(piece(who, steps)), end) for who, steps, end in work]
        for number, (task, given_up) in enumerate(tasks):
            if given_up:
                for _ in range(number % 3):
                    await asyncio.sleep(0)
                task.cancel()
        refused = 0
        for task, given_up in tasks:
            with suppress(asyncio.CancelledError):
                try:
                    await task
                except TooManyAtOnce:
                    refused += 1
            assert given_up or not task.cancelled()
        assert done + refused + sum(given_up for _, given_up in tasks) >= len(work)
        assert turns.lines == {}
        assert set(at_work.values()) == {0}

    asyncio.run(run())
