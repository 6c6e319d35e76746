"""Keys in the database: made, remembered, rotated, revoked; tenants."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, Invalid, NotFound, Unauthenticated
from chroniccare.platform.postgres import Command, begin, begin_system, database
from chroniccare.tenancy import actions, queries
from chroniccare.tenancy.caller import Authority
from chroniccare.tenancy.rules import SCOPES, key_hash, parse_key
from tests.client import Clinic

NONE = Command("SELECT count(*) FROM api_keys WHERE key_id = $1 AND last_used_at = $2")


def authority(clinic: Clinic) -> Authority:
    """Return an authority of its own, which remembers nothing yet."""
    return Authority(pepper=clinic.app.state.authority.pepper, per_second=1000, burst=1000)


async def made(clinic: Clinic, **options: Any) -> str:
    pepper = clinic.app.state.authority.pepper
    async with begin(clinic.caller) as tx:
        return await actions.create_key(
            tx, pepper=pepper, **{"name": "k", "scopes": SCOPES, **options}
        )


def key_id(key: str) -> str:
    parts = parse_key(key)
    assert parts is not None
    return parts.key_id


async def stored(clinic: Clinic, key: str) -> queries.ApiKey:
    async with begin(clinic.caller) as tx:
        found = await tx.one(queries.FIND_OWN_KEY, key_id(key))
    assert found is not None
    return found


async def test_a_key_is_stored_as_a_keyed_hash_alone(clinic: Clinic) -> None:
    key = await made(clinic, scopes=frozenset({"patients:read"}), environment="test")
    parts = parse_key(key)
    assert parts is not None
    async with begin_system("test") as tx:
        kept = key_hash(parts, clinic.app.state.authority.pepper)
        record = await tx.one(queries.FIND_KEY, parts.key_id, kept)
        assert await tx.one(queries.FIND_KEY, parts.key_id, key_hash(parts, "another")) is None
    assert record is not None
    async with begin(clinic.caller) as tx:
        rows = await tx.values(Command("SELECT row_to_json(api_keys)::text FROM api_keys"))
    assert not any(parts.secret in row for row in rows)
    caller = await authority(clinic).authenticate(key, now=database().clock())
    assert (caller.tenant_id, caller.actor_id) == (clinic.tenant_id, record.id)
    assert caller.scopes == {"patients:read"}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"scopes": frozenset({"patients:read", "everything"})}, "scopes"),
        ({"scopes": frozenset()}, "scopes"),
        ({"environment": "staging"}, "environment"),
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "front\ndesk"}, "name"),
        ({"name": "front\udcff"}, "name"),
    ],
)
async def test_a_key_that_cannot_be_is_refused(
    clinic: Clinic, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await made(clinic, **options)
    assert [detail.field for detail in caught.value.details] == [field]


async def test_a_key_expires_on_time_although_it_is_remembered(clinic: Clinic) -> None:
    now = database().clock()
    with pytest.raises(Invalid):
        await made(clinic, expires_at=now - timedelta(seconds=1))
    key = await made(clinic, expires_at=now + timedelta(hours=1))
    door = authority(clinic)
    await door.authenticate(key, now=now)
    await door.authenticate(key, now=now + timedelta(minutes=59))
    with pytest.raises(Unauthenticated):
        await door.authenticate(key, now=now + timedelta(hours=1))


async def test_a_hundred_requests_at_once_ask_the_database_once(clinic: Clinic) -> None:
    door, now = authority(clinic), database().clock()
    key = await made(clinic)
    callers = await asyncio.gather(*(door.authenticate(key, now=now) for _ in range(100)))
    assert len({id(caller) for caller in callers}) == 1
    assert door.asking == {}
    assert len(door.remembered) == 1


async def test_a_cancelled_request_does_not_take_the_answer_from_the_others(
    clinic: Clinic,
) -> None:
    door, now = authority(clinic), database().clock()
    key = await made(clinic)
    first, second = (asyncio.create_task(door.authenticate(key, now=now)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).tenant_id == clinic.tenant_id
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_refusal_is_not_remembered(clinic: Clinic) -> None:
    key = await made(clinic)
    door, now = authority(clinic), database().clock()
    wrong = Authority(pepper="another pepper of 32 characters or more", per_second=1, burst=1)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await wrong.authenticate(key, now=now)
    assert wrong.remembered == {}
    assert (await door.authenticate(key, now=now)).tenant_id == clinic.tenant_id


async def test_the_last_use_is_noted_once_a_minute(clinic: Clinic) -> None:
    key = await made(clinic)
    assert (await stored(clinic, key)).last_used_at is None
    await authority(clinic).authenticate(key, now=database().clock())
    first = (await stored(clinic, key)).last_used_at
    assert first is not None
    await authority(clinic).authenticate(key, now=database().clock())
    assert (await stored(clinic, key)).last_used_at == first


async def test_a_rotated_key_stays_valid_for_the_overlap(clinic: Clinic) -> None:
    pepper, now = clinic.app.state.authority.pepper, database().clock()
    old = await made(clinic, scopes=frozenset({"audit:read"}), environment="test")
    async with begin(clinic.caller) as tx:
        new = await actions.rotate_key(
            tx, pepper=pepper, key_id=key_id(old), overlap=timedelta(hours=24)
        )
    assert new.startswith("cck_test_")
    door = authority(clinic)
    for key in (old, new):
        caller = await door.authenticate(key, now=now)
        assert caller.scopes == {"audit:read"}
    with pytest.raises(Unauthenticated):
        await door.authenticate(old, now=now + timedelta(hours=25))
    await door.authenticate(new, now=now + timedelta(hours=25))


async def test_an_overlap_never_lengthens_a_keys_life(clinic: Clinic) -> None:
    pepper = clinic.app.state.authority.pepper
    soon = database().clock() + timedelta(hours=1)
    old = await made(clinic, expires_at=soon)
    async with begin(clinic.caller) as tx:
        await actions.rotate_key(tx, pepper=pepper, key_id=key_id(old), overlap=timedelta(days=9))
    assert (await stored(clinic, old)).expires_at == soon


async def test_a_key_that_expires_is_followed_by_one_with_as_long_a_life(clinic: Clinic) -> None:
    pepper = clinic.app.state.authority.pepper
    old = await made(clinic, expires_at=database().clock() + timedelta(days=90))
    before = await stored(clinic, old)
    async with begin(clinic.caller) as tx:
        new = await actions.rotate_key(
            tx, pepper=pepper, key_id=key_id(old), overlap=timedelta(hours=1)
        )
    after = await stored(clinic, new)
    assert before.expires_at is not None
    assert after.expires_at is not None
    assert after.expires_at - after.created_at == before.expires_at - before.created_at


async def test_an_expired_key_cannot_be_rotated(clinic: Clinic) -> None:
    pepper = clinic.app.state.authority.pepper
    old = await made(clinic)
    async with begin(clinic.caller) as tx:
        await actions.rotate_key(tx, pepper=pepper, key_id=key_id(old), overlap=timedelta(0))
    with pytest.raises(NotFound, match="No active key"):
        async with begin(clinic.caller) as tx:
            await actions.rotate_key(tx, pepper=pepper, key_id=key_id(old), overlap=timedelta(0))
    async with begin(clinic.caller) as tx:
        assert len(await tx.all(queries.LIST_KEYS)) == 3


async def test_a_revoked_or_unknown_key_can_be_neither_rotated_nor_revoked(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    pepper = clinic.app.state.authority.pepper
    key = await made(clinic)
    async with begin(clinic.caller) as tx:
        await actions.revoke_key(tx, key_id=key_id(key))
    found = await stored(clinic, key)
    assert (found.is_active, found.revoked_at is not None) == (False, True)
    for gone in (key_id(key), "x" * 12, key_id(other_clinic.key)):
        with pytest.raises(NotFound):
            async with begin(clinic.caller) as tx:
                await actions.revoke_key(tx, key_id=gone)
        with pytest.raises(NotFound):
            async with begin(clinic.caller) as tx:
                await actions.rotate_key(tx, pepper=pepper, key_id=gone, overlap=timedelta(0))
    assert (await stored(other_clinic, other_clinic.key)).is_active


async def test_a_clinic_lists_its_own_keys(clinic: Clinic, other_clinic: Clinic) -> None:
    await made(clinic)
    async with begin(clinic.caller) as tx:
        names = [row.key_name for row in await tx.all(queries.LIST_KEYS)]
    assert names == ["tests", "k"]
    del other_clinic


@pytest.mark.parametrize(
    ("name", "subdomain", "field"),
    [
        ("", "fine", "name"),
        (" ", "fine", "name"),
        ("x" * 256, "fine", "name"),
        ("Two\nLines", "fine", "name"),
        ("Two\u2028Lines", "fine", "name"),
        ("\x1b[31mRed", "fine", "name"),
        ("Fine\udcff", "fine", "name"),
        ("Fine", "", "subdomain"),
        ("Fine", "-x", "subdomain"),
        ("Fine", "Upper", "subdomain"),
        ("Fine", "a" * 64, "subdomain"),
        ("Fine", "fine\n", "subdomain"),
    ],
)
async def test_a_tenant_that_cannot_be_is_refused(name: str, subdomain: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await actions.create_tenant(name=name, subdomain=subdomain)
    assert [detail.field for detail in caught.value.details] == [field]


async def test_a_subdomain_is_taken_once(clinic: Clinic) -> None:
    tenants = {tenant.id: tenant for tenant in await actions.list_tenants()}
    own = tenants[clinic.tenant_id]
    assert (await actions.find_tenant(own.subdomain)).id == clinic.tenant_id
    with pytest.raises(Conflict):
        await actions.create_tenant(name="Again", subdomain=own.subdomain)
    with pytest.raises(NotFound):
        await actions.find_tenant("nobody-has-this")
    assert system(own.id, job="x").tenant_id == own.id
