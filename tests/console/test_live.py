"""What others change is told, also what changed while a page was between two calls."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest

from chroniccare.console import live, live_api
from chroniccare.console.live import Mark
from tests.client import Clinic
from tests.console.conftest import SignIn


async def listen(http: httpx.AsyncClient, **headers: str) -> tuple[set[str], str]:
    """Return the kinds that a whole stream tells, and its last id."""
    kinds, last = set[str](), ""
    async with http.stream("GET", "/console/live", headers=headers, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                kinds.update(line[6:].split())
            if line.startswith("id: "):
                last = line[4:]
    return kinds, last


async def test_nothing_is_missed_between_two_streams(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_api, "_SECONDS", 0.5)
    desk = await sign_in()
    await desk.clinic.patient()
    kinds, told = await listen(desk.http)
    assert kinds == set()  # what was there before is no news
    await desk.clinic.patient()
    kinds, told = await listen(desk.http, **{"Last-Event-ID": told})
    assert "patient" in kinds  # and perhaps what was told shortly before


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> "Looks":
    """Looks at changes that can be waited for, in streams that last long enough for it."""
    made = Looks(live._look)
    monkeypatch.setattr(live, "_look", made)
    monkeypatch.setattr(live_api, "_SECONDS", 6.0)
    return made


@dataclass(slots=True)
class Looks:
    """The look that the feeds use, counted, and failing at first if told."""

    look: Callable[..., Awaitable[Any]]
    failing: int = 0
    done: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def __call__(self, *given: Any) -> Any:
        if self.failing:
            self.failing -= 1
            raise RuntimeError("something else than the database")
        found = await self.look(*given)
        self.done.release()
        return found

    async def wait(self, many: int) -> None:
        async with asyncio.timeout(30):
            for _ in range(many):
                await self.done.acquire()


async def test_a_change_is_told_while_somebody_listens(sign_in: SignIn, looks: Looks) -> None:
    desk = await sign_in()
    hearing = asyncio.create_task(listen(desk.http))
    await looks.wait(2)  # the listener's own, and the feed's first
    await desk.clinic.patient()
    assert (await hearing)[0] == {"patient"}


async def test_another_clinics_changes_are_not_told(
    sign_in: SignIn, looks: Looks, other_clinic: Clinic
) -> None:
    desk = await sign_in()
    hearing = asyncio.create_task(listen(desk.http))
    await looks.wait(2)
    await other_clinic.patient()
    assert (await hearing)[0] == set()


async def test_a_look_that_fails_does_not_end_what_is_told(
    sign_in: SignIn, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_since", AsyncMock(return_value=(frozenset(), None)))
    desk = await sign_in()
    looks.failing = 2
    hearing = asyncio.create_task(listen(desk.http))
    await looks.wait(1)
    await desk.clinic.patient()
    assert (await hearing)[0] == {"patient"}
    assert looks.failing == 0


def test_what_is_no_mark_is_none() -> None:
    for text in ("", "yesterday", "9999-12-31T23:59:59-23:59 x", "\x00"):
        assert Mark.of(text) is None
