"""API keys at the door: every bad one answers the same, revocation is quick, limits hold."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chroniccare.app import build
from chroniccare.platform import cache as cache_module
from chroniccare.platform.cache import Cache
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import Settings
from chroniccare.tenancy import actions, rules
from chroniccare.tenancy.rules import SCOPES, new_key, parse_key
from tests.client import Clinic
from tests.platform.valkey import own_valkey

PATH = "/api/v1/patients?limit=1"


def without_meta(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    del body["meta"]
    return body


async def extra_key(clinic: Clinic, **options: Any) -> str:
    """Make another key of the clinic, alive unless `options` say otherwise."""
    pepper = clinic.app.state.authority.pepper
    async with begin(clinic.caller) as tx:
        return await actions.create_key(tx, pepper=pepper, name="extra", scopes=SCOPES, **options)


def key_id(key: str) -> str:
    parts = parse_key(key)
    assert parts is not None
    return parts.key_id


async def revoked(clinic: Clinic) -> str:
    key = await extra_key(clinic)
    async with begin(clinic.caller) as tx:
        await actions.revoke_key(tx, key_id=key_id(key))
    return key


async def expired(clinic: Clinic) -> str:
    async with begin(clinic.caller) as tx:
        soon = tx.now + timedelta(milliseconds=50)
    key = await extra_key(clinic, expires_at=soon)
    await asyncio.sleep(0.06)
    return key


async def never_made(clinic: Clinic) -> str:
    del clinic
    return new_key("live")[0]


async def of_another_secret(clinic: Clinic) -> str:
    """Return a well-formed key whose id exists and whose secret is another's."""
    one, other = clinic.key, new_key("live")[0]
    body = "_".join([*one.split("_")[:3], *other.split("_")[3:-1]])
    return f"{body}_{rules._check(body)}"


def changed(change: Callable[[str], str]) -> Callable[[Clinic], Awaitable[str]]:
    async def bad(clinic: Clinic) -> str:
        return change(clinic.key)

    return bad


BAD: dict[str, Callable[[Clinic], Awaitable[str]]] = {
    "revoked": revoked,
    "expired": expired,
    "never made": never_made,
    "another's secret": of_another_secret,
    "truncated": changed(lambda key: key[:-1]),
    "half": changed(lambda key: key[: len(key) // 2]),
    "wrong check": changed(lambda key: key[:-1] + ("0" if key[-1] != "0" else "1")),
    "one letter changed": changed(
        lambda key: key[:30] + ("A" if key[30] != "A" else "B") + key[31:]
    ),
    "other environment": changed(lambda key: key.replace("live", "test")),
    "upper case": changed(str.upper),
    "trailing text": changed(lambda key: key + "x"),
    "two keys": changed(lambda key: f"{key},{key}"),
    "empty": changed(lambda _: ""),
    "not ours": changed(lambda _: "sk_live_0123456789"),
    "long": changed(lambda _: "cck_live_" + "x" * 8000),
    "SQL": changed(lambda _: "' OR 1=1 --"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_key_answers_as_no_key_does(
    clinic: Clinic, anonymous: httpx.AsyncClient, kind: str
) -> None:
    wanted = await anonymous.get(PATH)
    key = await BAD[kind](clinic)
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        response = await anonymous.get(PATH, headers=headers)
        assert response.status_code == wanted.status_code == 401
        assert without_meta(response) == without_meta(wanted)
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "value", [b"\xff\xfe", "Bearer é".encode(), b"Basic dXNlcjpwYXNz", b"Bearer"]
)
async def test_a_header_that_is_no_key_answers_401(
    anonymous: httpx.AsyncClient, value: bytes
) -> None:
    for name in (b"x-api-key", b"authorization"):
        response = await anonymous.get(PATH, headers=[(name, value)])
        assert response.status_code == 401


async def test_both_headers_take_a_key(clinic: Clinic, anonymous: httpx.AsyncClient) -> None:
    for headers in (
        {"X-API-Key": clinic.key},
        {"Authorization": f"Bearer {clinic.key}"},
        {"Authorization": f"bearer  {clinic.key} "},
    ):
        assert (await anonymous.get(PATH, headers=headers)).status_code == 200


async def test_a_revoked_key_is_refused_within_a_second_although_it_was_just_used(
    clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    key = await extra_key(clinic)
    headers = {"X-API-Key": key}
    assert (await anonymous.get(PATH, headers=headers)).status_code == 200
    async with begin(clinic.caller) as tx:
        await actions.revoke_key(tx, key_id=key_id(key))
    started = time.monotonic()
    while (await anonymous.get(PATH, headers=headers)).status_code == 200:
        assert time.monotonic() - started < 1.0
        await asyncio.sleep(0.01)
    for _ in range(3):
        assert (await anonymous.get(PATH, headers=headers)).status_code == 401


@asynccontextmanager
async def limited(
    settings: Settings, key: str, *, per_minute: int, burst: int
) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an application of its own with a small limit, on the same database."""
    update = {"rate_limit_per_minute": per_minute, "rate_limit_burst": burst}
    app = build(settings.model_copy(update=update))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://clinic.test",
        headers={"X-API-Key": key},
    ) as http:  # fmt: skip
        yield http


async def test_beyond_its_burst_a_key_is_told_when_to_come_back(
    clinic: Clinic, other_clinic: Clinic, settings: Settings
) -> None:
    async with limited(settings, clinic.key, per_minute=60, burst=5) as http:
        answers = [await http.get(PATH) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        remaining = [int(answer.headers["ratelimit-remaining"]) for answer in answers[:5]]
        assert remaining == [4, 3, 2, 1, 0]
        assert {answer.headers["ratelimit-limit"] for answer in answers[:5]} == {"5"}
        assert int(answers[4].headers["ratelimit-reset"]) in {4, 5}
        refused = answers[-1]
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["ratelimit-remaining"] == "0"
        assert refused.json()["error"]["code"] == "RATE_LIMITED"
        # Another key has a bucket of its own.
        headers = {"X-API-Key": other_clinic.key}
        assert (await http.get(PATH, headers=headers)).status_code == 200


async def test_a_bucket_fills_again(clinic: Clinic, settings: Settings) -> None:
    async with limited(settings, clinic.key, per_minute=1200, burst=2) as http:
        answers = [(await http.get(PATH)).status_code for _ in range(6)]
        assert answers[-1] == 429
        await asyncio.sleep(0.11)  # 20 a second: two more
        assert [(await http.get(PATH)).status_code for _ in range(2)] == [200, 200]


async def test_concurrent_requests_share_one_bucket(clinic: Clinic, settings: Settings) -> None:
    async with (
        limited(settings, clinic.key, per_minute=1, burst=10) as one,
        limited(settings, clinic.key, per_minute=1, burst=10) as two,
    ):
        answers = await asyncio.gather(*(http.get(PATH) for http in [one, two] * 15))
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 20


async def test_without_the_cache_requests_work_and_are_still_limited(
    clinic: Clinic, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_valkey() as valkey:
        held = Cache(valkey.url)
        await held.open()
        monkeypatch.setattr(cache_module, "_cache", held)
        try:
            patient = await clinic.patient()
            del patient["warnings"]  # said when it is written, and then alone
            path = f"/patients/{patient['id']}"
            assert (await clinic.get(path)).status_code == 200
            valkey.kill()
            assert (await clinic.get(path)).json()["data"] == patient
            async with limited(settings, clinic.key, per_minute=60, burst=5) as http:
                answers = [(await http.get(PATH)).status_code for _ in range(7)]
            assert answers == [200] * 5 + [429] * 2
        finally:
            await held.close()


async def test_the_keys_of_a_closed_clinic_are_refused(
    clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    async with begin(clinic.caller) as tx:
        await tx.run(Command("UPDATE tenants SET is_active = false"))
    response = await anonymous.get(PATH, headers={"X-API-Key": clinic.key})
    assert response.status_code == 401
