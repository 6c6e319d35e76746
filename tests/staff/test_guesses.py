"""Who guesses must wait (SEC-19) and learns nothing (SEC-11, SEC-12); networks of keys."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chroniccare.app import build
from chroniccare.core.errors import Invalid
from chroniccare.platform import cache as cache_module
from chroniccare.platform import postgres
from chroniccare.platform.cache import Cache, LocalBucket
from chroniccare.platform.postgres import begin
from chroniccare.settings import Settings
from chroniccare.tenancy import actions, rules
from chroniccare.tenancy.guesses import Guesses, TooManyGuesses, source
from chroniccare.tenancy.rules import SCOPES, new_key, parse_key
from tests.client import Clinic
from tests.staff.conftest import Person
from tests.staff.idp import Idp

PATH = "/api/v1/facilities?limit=1"


@pytest.fixture
def strict(trusting: Settings, door: FastAPI) -> FastAPI:
    """An application with the limit that ships, whatever else has been guessed from here."""
    del door
    return build(trusting.model_copy(update={"wrong_keys_per_minute": 10}))


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_cache", Cache(""))


@asynccontextmanager
async def visitor(app: FastAPI, address: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=(address, 5555))
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as http:
        yield http


def of_another_secret(key: str) -> str:
    other = new_key("live")[0]
    body = "_".join([*key.split("_")[:3], *other.split("_")[3:-1]])
    return f"{body}_{rules._check(body)}"


async def knock(http: httpx.AsyncClient, key: str) -> httpx.Response:
    return await http.get(PATH, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("cached", [True, False])
async def test_sec_19_the_eleventh_wrong_key_a_minute_must_wait(
    clinic: Clinic, strict: FastAPI, request: pytest.FixtureRequest, *, cached: bool
) -> None:
    if not cached:
        request.getfixturevalue("away")
    address = f"192.0.2.{1 if cached else 2}"
    async with visitor(strict, address) as http, visitor(strict, "192.0.2.99") as other:
        assert (await knock(http, clinic.key)).status_code == 200
        answers = [await knock(http, of_another_secret(clinic.key)) for _ in range(12)]
        assert [one.status_code for one in answers] == [401] * 10 + [429] * 2
        refused = answers[-1]
        assert refused.json()["error"]["code"] == "TOO_MANY_GUESSES"
        assert 55 <= int(refused.headers["retry-after"]) <= 61
        # A right key that nobody here has used yet answers the same, so nothing is learnt by it.
        async with begin(clinic.caller) as tx:
            fresh = await actions.create_key(
                tx, pepper=clinic.app.state.authority.pepper, name="f", scopes=SCOPES
            )
        assert (await knock(http, fresh)).status_code == 429
        assert (await knock(http, clinic.key)).status_code == 200
        assert (await knock(other, fresh)).status_code == 200


@pytest.mark.parametrize("cached", [True, False])
async def test_sec_19_a_key_that_another_process_knows_does_not_wait(
    clinic: Clinic, strict: FastAPI, request: pytest.FixtureRequest, *, cached: bool
) -> None:
    assert (await clinic.get("/facilities")).status_code == 200  # at the other process
    if not cached:
        request.getfixturevalue("away")
    async with visitor(strict, f"192.0.2.{11 if cached else 12}") as http:
        for _ in range(11):
            await knock(http, of_another_secret(clinic.key))
        assert (await knock(http, of_another_secret(clinic.key))).status_code == 429
        assert (await knock(http, clinic.key)).status_code == (200 if cached else 429)


async def test_sec_10_the_cache_holds_no_key(clinic: Clinic) -> None:
    assert (await clinic.get("/facilities")).status_code == 200
    held = cache_module.cache()
    names = await held._ask("KEYS", "good:*")
    assert isinstance(names, list)
    assert names
    parts = parse_key(clinic.key)
    assert parts is not None
    assert not any(word in str(names) for word in (parts.secret, parts.key_id))


async def test_sec_19_wrong_tokens_count_as_well(person: Person, strict: FastAPI, idp: Idp) -> None:
    who = await person("clinician")
    async with visitor(strict, "192.0.2.3") as http:
        for number in range(10):
            assert (await knock(http, idp.token(kid=f"x{number}", sub=who.key))).status_code == 401
        assert (await knock(http, idp.confused())).status_code == 429


async def test_sec_19_what_was_good_once_is_no_guess(
    clinic: Clinic, person: Person, strict: FastAPI, idp: Idp
) -> None:
    who, ended = await person("clinician"), int(time.time()) - 999
    async with begin(clinic.caller) as tx:
        pepper = clinic.app.state.authority.pepper
        key = await actions.create_key(tx, pepper=pepper, name="x", scopes=SCOPES)
        parts = parse_key(key)
        assert parts is not None
        await actions.revoke_key(tx, key_id=parts.key_id)
    async with visitor(strict, "192.0.2.4") as http:
        for _ in range(15):
            assert (await knock(http, key)).status_code == 401
            assert (await knock(http, idp.token(sub=who.key, exp=ended))).status_code == 401
            assert (await knock(http, clinic.key[:-1])).status_code == 401


async def test_sec_19_each_wait_is_twice_the_last_up_to_an_hour(away: None) -> None:
    del away
    guesses, waits = Guesses(1), []
    await guesses.note("192.0.2.5")
    for _ in range(8):
        with pytest.raises(TooManyGuesses) as caught:
            await guesses.note("192.0.2.5")
        waits.append(caught.value.retry_after)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    guesses.check("192.0.2.6")
    with pytest.raises(TooManyGuesses):
        guesses.check("192.0.2.5")


async def test_sec_19_what_is_remembered_of_guessers_is_bounded(
    away: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del away
    monkeypatch.setattr("chroniccare.tenancy.guesses._MOST", 20)
    guesses = Guesses(1)
    for number in range(60):
        for _ in range(2):
            with suppress(TooManyGuesses):
                await guesses.note(f"198.51.100.{number}")
    assert len(guesses.waits) <= 20
    assert len(guesses.local.tokens) <= 20


def test_one_subscriber_of_ipv6_is_one_source() -> None:
    assert source("2001:db8:1:2::1") == source("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert source("2001:db8:1:3::1") != source("2001:db8:1:2::1")
    assert source("::ffff:192.0.2.7") == source("192.0.2.7") == "192.0.2.7"
    assert source(None) == source("testclient") == "unknown"


async def test_sec_12_unknown_id_and_wrong_secret_answer_identically(
    clinic: Clinic, strict: FastAPI
) -> None:
    async with visitor(strict, "192.0.2.8") as http:
        answers = [
            await knock(http, key) for key in (of_another_secret(clinic.key), new_key("live")[0])
        ]
    bodies = [{k: v for k, v in one.json().items() if k != "meta"} for one in answers]
    heads = [{k: v for k, v in one.headers.items() if k != "x-request-id"} for one in answers]
    assert bodies[0] == bodies[1]
    assert heads[0] == heads[1]


async def test_sec_11_a_wrong_check_asks_neither_database_nor_cache(
    clinic: Clinic, strict: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def asks(*_: Any, **__: Any) -> Any:
        asked.append("asked")
        raise AssertionError

    monkeypatch.setattr(postgres.Database, "acquire", asks)
    monkeypatch.setattr(Cache, "take", asks)
    monkeypatch.setattr(LocalBucket, "take", asks)
    wrong = clinic.key[:-1] + ("0" if clinic.key[-1] != "0" else "1")
    async with visitor(strict, "192.0.2.9") as http:
        assert (await knock(http, wrong)).status_code == 401
    assert asked == []


async def test_a_key_is_taken_from_its_networks_alone(clinic: Clinic, strict: FastAPI) -> None:
    pepper = clinic.app.state.authority.pepper
    listed = ["10.1.0.0/16", "2001:db8::/32"]
    async with begin(clinic.caller) as tx:
        key = await actions.create_key(tx, pepper=pepper, name="n", scopes=SCOPES, networks=listed)
        parts = parse_key(key)
        assert parts is not None
        new = await actions.rotate_key(
            tx, pepper=pepper, key_id=parts.key_id, overlap=timedelta(hours=1)
        )
    for address, status in (
        ("10.1.2.3", 200), ("::ffff:10.1.2.3", 200), ("2001:db8::7", 200), ("10.2.0.1", 401),
        ("2001:db9::1", 401), ("nowhere", 401),
    ):  # fmt: skip
        async with visitor(strict, address) as http:
            for one in (key, new):  # what replaces it is bound as well
                answer = await knock(http, one)
                assert answer.status_code == status, address


@pytest.mark.parametrize("network", ["10.1.0.1/16", "everywhere", "10.0.0.0/33", ""])
async def test_a_network_that_is_none_is_refused(clinic: Clinic, network: str) -> None:
    with pytest.raises(Invalid) as caught:
        async with begin(clinic.caller) as tx:
            await actions.create_key(tx, pepper="p", name="n", scopes=SCOPES, networks=[network])
    assert caught.value.details[0].field == "networks"
