"""An issuer, an application that takes its tokens, and people of a clinic who have some."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from chroniccare.app import build
from chroniccare.platform.postgres import database
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.staff.idp import AUDIENCE, Idp, running_idp

Person = Callable[[str], Awaitable[Clinic]]


@pytest.fixture(scope="package")
def idp() -> Iterator[Idp]:
    with running_idp() as served:
        yield served


@pytest.fixture(scope="package")
def trusting(settings: Settings, idp: Idp) -> Settings:
    """Settings that take the issuer's tokens."""
    listed = [{"issuer": idp.url, "audiences": [AUDIENCE]}]
    return settings.model_copy(update={"oidc_issuers": json.dumps(listed)})


@pytest.fixture
def door(trusting: Settings, running: object, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """An application of its own, which remembers nobody yet."""
    del running
    monkeypatch.setattr(database(), "settings", trusting)
    return build(trusting)


@pytest.fixture
async def person(clinic: Clinic, door: FastAPI, idp: Idp) -> AsyncIterator[Person]:
    """Return a function that adds somebody with a role, and gives the clinic as they see it."""
    async with AsyncExitStack() as stack:

        async def add(role: str) -> Clinic:
            subject = str(uuid4())
            body = {
                "email": f"{subject}@clinic.example",
                "display_name": "Dana Lee",
                "role": role,
                "issuer": idp.url,
                "subject": subject,
            }
            await clinic.make("/staff", body)
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(door), base_url="http://clinic.test",
                headers={"Authorization": f"Bearer {idp.token(sub=subject)}"},
            )  # fmt: skip
            await stack.enter_async_context(http)
            return replace(clinic, key=subject, app=door, http=http)

        yield add
