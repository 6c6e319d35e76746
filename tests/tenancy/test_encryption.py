"""Fields encrypted in the database as it really is: its files, under rotation, after a shred."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chroniccare.commands import encryption
from chroniccare.core.errors import Conflict
from chroniccare.notifications.inbound.queries import PEOPLE, REMOVE, STORE
from chroniccare.patients import actions as patients
from chroniccare.platform import masterkey, sealing
from chroniccare.platform.keystore import Keystore
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin, begin_system, utc_now
from chroniccare.settings import Settings
from chroniccare.tenancy import addresses, keys, queries_keys, resealing
from chroniccare.tenancy.actions import list_tenants
from chroniccare.tenancy.queries import Tenant
from chroniccare.worker import SEALED
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.files import data_directory, names_of

STORED = Command(
    "SELECT jsonb_build_object('emergency', emergency_contact, 'insurance', insurance_info,"
    " 'contact', contact_info, 'version', version) FROM patients WHERE id = $1::uuid"
)
PUT_BACK = Command("UPDATE patients SET emergency_contact = $2::jsonb WHERE id = $1::uuid")
AUDITED = Command(
    "SELECT jsonb_agg(changes) FROM audit_logs WHERE entity_id = $1::uuid AND changes <> '{}'"
)
TOKENS = Command("SELECT token FROM patient_devices ORDER BY id")
POINTS_STORED = Command("SELECT ARRAY[value, value_index] FROM contact_points ORDER BY id")
REPLIES = Command("SELECT body FROM idempotency_keys")


def telling(**more: Any) -> dict[str, Any]:
    return {
        "emergency_contact": {"name": "Luis Kanarienvogel", "phone": "+17745550136"},
        "insurance_info": {"payer": "Acme Health", "member_id": "KANARIE-778"},
        "contact_info": {
            "telecom": [],
            "address": {"line": ["77 Canary Wharf Lane"], "city": "Boston", "country": "US"},
        },
        **more,
    }


FROM_BEFORE: dict[str, list[dict[str, Any]]] = {
    "telecom": [
        {"system": "phone", "value": "+17745550138", "use": "mobile", "rank": 1},
        {"system": "email", "value": "before@example.com", "use": "home", "rank": 2},
    ]
}


def device(token: str) -> dict[str, Any]:
    return {"platform": "fcm", "token": token}


async def kept(clinic: Clinic, patient: str) -> dict[str, Any]:
    async with begin(clinic.caller) as tx:
        found: dict[str, Any] = await tx.value(STORED, patient)
    return found


async def states(clinic: Clinic) -> dict[tuple[str, int], str]:
    async with begin(clinic.caller) as tx:
        return {(one.purpose, one.version): one.state for one in await tx.all(queries_keys.LIST)}


async def encryption_status(clinic: Clinic) -> list[queries_keys.TenantKey]:
    async with begin(clinic.caller) as tx:
        return await tx.all(queries_keys.LIST)


def alone(monkeypatch: pytest.MonkeyPatch, *clinics: Clinic) -> None:
    """Have commands see these clinics only: what other tests leave has other master keys."""
    ids = {clinic.tenant_id for clinic in clinics}

    async def listed() -> list[Tenant]:
        return [one for one in await list_tenants() if one.id in ids]

    monkeypatch.setattr(encryption, "list_tenants", listed)


async def tokens(clinic: Clinic) -> list[str]:
    async with begin(clinic.caller) as tx:
        return await tx.values(TOKENS)


async def points(clinic: Clinic) -> list[tuple[str, str | None]]:
    async with begin(clinic.caller) as tx:
        return [(value, index) for value, index in await tx.values(POINTS_STORED)]


async def owners(clinic: Clinic) -> list[str]:
    """Return the patients whose telephone number FROM_BEFORE has."""
    async with begin(clinic.caller) as tx:
        number = addresses.either(await tx.keyring(), [FROM_BEFORE["telecom"][0]["value"]])
        return [str(one.id) for one in await tx.all(PEOPLE, number)]


async def rotated(clinic: Clinic) -> int:
    async with begin(clinic.caller) as tx:
        return await keys.rotate(tx)


def _shifted(shift: timedelta) -> datetime:
    return utc_now() + shift


@pytest.fixture
def later(running: Running) -> Iterator[None]:
    """The clock of transactions, past the time that a rotation takes to settle."""
    running.platform.database.clock = partial(_shifted, resealing.SETTLED * 2)
    yield
    running.platform.database.clock = utc_now


async def test_sec_20_no_file_of_the_database_holds_what_is_encrypted(
    clinic: Clinic, database_url: str
) -> None:
    # No other test keeps these values, in clear or sealed: the search is over the whole server.
    told = {
        "emergency_contact": {"name": "Luis Zilverreiger", "phone": "+17745550151"},
        "insurance_info": {"payer": "Acme Health", "member_id": "REIGER-778"},
        "contact_info": {
            "telecom": [
                {"system": "phone", "value": "+17745550152", "use": "mobile", "rank": 1},
                {"system": "email", "value": "reiger@example.com", "use": "home", "rank": 2},
            ],
            "address": {"line": ["77 Heron Quay Lane"], "city": "Boston", "country": "US"},
        },
    }
    body = clinic.patient_body(first_name="Kontrollvogel", **told)
    first = await clinic.post("/patients", body, headers={"Idempotency-Key": "canary"})
    again = await clinic.post("/patients", body, headers={"Idempotency-Key": "canary"})
    assert first.json()["data"] == again.json()["data"]
    made = first.json()["data"]
    changed = {**told, "emergency_contact": {"name": "Ana Purperreiger", "phone": "+17745550151"}}
    await clinic.put(f"/patients/{made['id']}", {**body, **changed})
    person = {
        "name": "Rosa", "relationship": "daughter", "receives": "besides", "language": "en",
        "contact_info": {
            "telecom": [{"system": "email", "value": "kwak@example.com"}],
            "address": {"line": ["9 Roerdomp Street"], "country": "US"},
        },
    }  # fmt: skip
    await clinic.make(f"/patients/{made['id']}/related-persons", person)
    await clinic.make(f"/patients/{made['id']}/devices", device("reiger-token"))
    await clinic.delete(f"/patients/{made['id']}")
    folder = await data_directory(database_url)
    # The clear name shows that the search finds what is there: in the table and in the log.
    control = names_of(folder, b"Kontrollvogel")
    assert any(name.startswith("base/") for name in control)
    assert any(name.startswith("pg_wal/") for name in control)
    for canary in (
        b"Zilverreiger", b"+17745550151", b"REIGER-778", b"Heron Quay", b"Purperreiger",
        b"Roerdomp", b"reiger-token", b"+17745550152", b"reiger@example", b"kwak@example",
    ):  # fmt: skip
        assert names_of(folder, canary) == [], canary


async def test_readers_see_what_was_written(clinic: Clinic) -> None:
    made = await clinic.patient(**telling())
    read = (await clinic.get(f"/patients/{made['id']}")).json()["data"]
    listed = (await clinic.get(f"/patients?mrn={made['mrn']}")).json()["data"]["items"][0]
    for answer in (made, read, listed):
        for name, value in telling().items():
            if name == "contact_info":
                assert answer[name]["address"]["line"] == ["77 Canary Wharf Lane"]
                assert "sealed" not in answer[name]
            else:
                assert answer[name] == value
    entries = (await clinic.get(f"/audit?entity_id={made['id']}&action=create")).json()
    (entry,) = entries["data"]["items"]
    assert entry["changes"]["after"]["emergency_contact"] == telling()["emergency_contact"]
    async with begin(clinic.caller) as tx:
        (changes,) = await tx.value(AUDITED, made["id"])
    assert changes["after"]["emergency_contact"].startswith(sealing.MARK)
    assert changes["after"]["contact_info"].startswith(sealing.MARK)
    assert changes["after"]["mrn"] == made["mrn"]


async def test_the_longest_token_is_sealed_and_is_one_device(clinic: Clinic) -> None:
    path = f"/patients/{(await clinic.patient())['id']}/devices"
    token = "".join(f"{number:04x}" for number in range(512))
    made = await clinic.make(path, device(token))
    assert (await clinic.post(path, device(token))).json()["data"]["id"] == made["id"]
    other = f"/patients/{(await clinic.patient())['id']}/devices"
    assert (await clinic.make(other, device(token)))["id"] != made["id"]
    assert len(set(await tokens(clinic))) == 2


async def test_the_kept_answer_of_a_request_is_sealed(clinic: Clinic) -> None:
    body = clinic.patient_body(**telling())
    await clinic.post("/patients", body, headers={"Idempotency-Key": "k"})
    async with begin(clinic.caller) as tx:
        (stored,) = await tx.values(REPLIES)
    assert sealing.is_sealed_bytes(stored)


async def test_sec_21_a_value_moved_to_another_row_or_tenant_is_unreadable(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    one, two = await clinic.patient(**telling()), await clinic.patient(**telling())
    foreign = await other_clinic.patient(**telling())
    taken = (await kept(clinic, one["id"]))["emergency"]
    insurance = (await kept(clinic, two["id"]))["insurance"]
    for place, patient, value in (
        (clinic, two, taken), (clinic, two, insurance), (other_clinic, foreign, taken),
    ):  # fmt: skip
        async with begin(place.caller) as tx:
            await tx.run(PUT_BACK, patient["id"], value)
            with pytest.raises(sealing.Unreadable) as error:
                await patients.get(tx, UUID(patient["id"]))
        assert str(error.value) == f"cannot decrypt patients.emergency_contact of {patient['id']}"


async def test_a_client_is_told_no_more_than_that_it_cannot_be_read(clinic: Clinic) -> None:
    one, two = await clinic.patient(**telling()), await clinic.patient(**telling())
    async with begin(clinic.caller) as tx:
        await tx.run(PUT_BACK, two["id"], (await kept(clinic, one["id"]))["emergency"])
    answer = await clinic.http.get(f"/api/v1/patients/{two['id']}")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "UNREADABLE"
    assert "emergency" not in answer.text


async def test_sec_22_keys_rotate_under_load_and_the_old_one_is_of_no_use_any_more(
    clinic: Clinic, running: Running, later: None
) -> None:
    del later
    made = [await clinic.patient(**telling(language="en")) for _ in range(12)]
    before = (await kept(clinic, made[0]["id"]))["emergency"]
    assert before.startswith(sealing.lead(1))
    done = asyncio.Event()
    rounds = 0

    async def load(patient: dict[str, Any]) -> None:
        nonlocal rounds
        body = {name: patient[name] for name in clinic.patient_body(**telling())}
        while not done.is_set():
            written = await clinic.put(f"/patients/{patient['id']}", body)
            assert written.status_code == 200, written.text
            read = await clinic.get(f"/patients/{patient['id']}")
            assert read.json()["data"]["emergency_contact"] == telling()["emergency_contact"]
            rounds += 1

    async def change() -> None:
        try:
            for version in (2, 3):
                assert await rotated(clinic) == version
                # The key made now is, by the clock of the loop, old enough at its next look.
                shift = resealing.SETTLED * 2 * version
                running.platform.database.clock = partial(_shifted, shift)
                while (await states(clinic))["data", version - 1] != "destroyed":
                    await resealing.run(clinic.tenant_id, SEALED)
        finally:
            done.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(change())
        for patient in made[:4]:
            group.create_task(load(patient))
    assert rounds
    assert await states(clinic) == {
        ("data", 1): "destroyed", ("data", 2): "destroyed", ("data", 3): "active",
        ("record", 1): "retiring", ("record", 2): "retiring", ("record", 3): "active",
        ("index", 1): "active",
    }  # fmt: skip
    for patient in made:
        stored = await kept(clinic, patient["id"])
        texts = (stored["emergency"], stored["insurance"], stored["contact"]["sealed"])
        assert all(text.startswith(sealing.lead(3)) for text in texts)
        async with begin(clinic.caller) as tx:
            found = await patients.get(tx, UUID(patient["id"]))
        assert found.insurance_info == telling()["insurance_info"]
    async with begin(clinic.caller) as tx:
        await tx.run(PUT_BACK, made[0]["id"], before)
        with pytest.raises(sealing.UnknownVersion):
            await patients.get(tx, UUID(made[0]["id"]))


async def test_an_old_key_stays_while_some_process_may_still_seal_with_it(clinic: Clinic) -> None:
    await clinic.patient(**telling())
    await rotated(clinic)
    await resealing.run(clinic.tenant_id, SEALED)
    assert (await states(clinic))["data", 1] == "retiring"


async def test_a_process_that_remembers_older_keys_reads_what_newer_ones_sealed(
    clinic: Clinic,
) -> None:
    made = await clinic.patient(**telling())
    async with begin(clinic.caller) as tx:
        older = await tx.keyring(afresh=True)
    await rotated(clinic)
    await resealing.run(clinic.tenant_id, SEALED)
    sealing.remember(older)
    async with begin(clinic.caller) as tx:
        found = await patients.get(tx, UUID(made["id"]))
    assert found.emergency_contact == telling()["emergency_contact"]


async def test_keys_of_a_transaction_that_was_rolled_back_seal_nothing(clinic: Clinic) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    with pytest.raises(Stop):
        async with begin(clinic.caller) as tx:
            await keys.rotate(tx)
            assert (await tx.keyring()).active["data"] == 2
            raise Stop
    made = await clinic.patient(**telling())
    assert (await kept(clinic, made["id"]))["emergency"].startswith(sealing.lead(1))


async def test_a_clinic_from_before_gets_keys_and_its_rows_are_sealed(
    running: Running, monkeypatch: pytest.MonkeyPatch, later: None
) -> None:
    del later
    with monkeypatch.context() as without:
        without.setattr(masterkey, "_held", None)
        async with new_clinic(running.app, running.contract) as clinic:
            told = telling()
            told["contact_info"] |= FROM_BEFORE
            made = await clinic.patient(**told)
            empty = await clinic.patient(contact_info={})
            devices = f"/patients/{made['id']}/devices"
            phone = await clinic.make(devices, device("a-token-from-before"))
            person = {
                "name": "Rosa", "relationship": "daughter", "receives": "besides", "language": "en",
                "contact_info": {**FROM_BEFORE, "address": {"line": ["9 Elm"], "country": "US"}},
            }  # fmt: skip
            related = await clinic.make(f"/patients/{made['id']}/related-persons", person)
    stored = await kept(clinic, made["id"])
    assert stored["emergency"] == telling()["emergency_contact"]
    assert (await tokens(clinic))[0] == "a-token-from-before"
    assert {*await points(clinic)} == {(one["value"], None) for one in FROM_BEFORE["telecom"]}
    assert await owners(clinic) == [made["id"]]
    sealing.forget(clinic.tenant_id)
    await resealing.run(clinic.tenant_id, SEALED)  # gives keys, seals
    stored = await kept(clinic, made["id"])
    assert stored["emergency"].startswith(sealing.lead(1))
    assert stored["contact"]["address"] == {"country": "US"}
    assert stored["version"] == 1  # an ETag that a client holds stays good
    assert (await kept(clinic, empty["id"]))["emergency"] == {}
    stored_points = await points(clinic)
    assert all(value.startswith(sealing.lead(1)) for value, _ in stored_points)
    assert len(stored_points) == 2 * len({index for _, index in stored_points}) == 4
    assert await owners(clinic) == [made["id"]]  # found by its hash
    async with again(running, clinic) as reopened:
        read = (await reopened.get(f"/patients/{made['id']}")).json()["data"]
        assert read["emergency_contact"] == telling()["emergency_contact"]
        assert read["contact_info"]["telecom"] == FROM_BEFORE["telecom"]
        assert (await tokens(clinic))[0].startswith(sealing.lead(1))
        same = await reopened.post(devices, device("a-token-from-before"))
        assert same.json()["data"]["id"] == phone["id"]  # found by its blind index
        path = f"/patients/{made['id']}/related-persons/{related['id']}"
        assert (await reopened.get(path)).json()["data"]["contact_info"] == related["contact_info"]


@asynccontextmanager
async def again(running: Running, clinic: Clinic) -> AsyncIterator[Clinic]:
    """A clinic whose own client was closed."""
    transport = httpx.ASGITransport(running.app)
    headers = {"X-API-Key": clinic.key}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://clinic.test", headers=headers
    ) as http:
        yield dataclasses.replace(clinic, http=http)


async def test_sec_44_a_shredded_tenant_is_closed_and_unreadable_and_nobody_else_is(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    made, foreign = await clinic.patient(**telling()), await other_clinic.patient(**telling())
    async with begin(clinic.caller) as tx:
        assert await keys.shred(tx) == 3
    async with begin(clinic.caller) as tx:
        with pytest.raises(sealing.Unreadable):
            await patients.get(tx, UUID(made["id"]))
    assert set((await states(clinic)).values()) == {"destroyed"}
    async with begin(clinic.caller) as tx:
        assert await keys.ensure(tx) is False  # it gets no new ones
    read = await other_clinic.get(f"/patients/{foreign['id']}")
    assert read.json()["data"]["emergency_contact"] == telling()["emergency_contact"]
    await asyncio.sleep(1)  # authorisations are remembered for 0.8 s
    assert (await clinic.http.get("/api/v1/patients")).status_code == 401


async def test_keys_are_wrapped_under_a_new_master_key(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await clinic.patient(**telling())
    old = masterkey.held()
    assert old is not None
    fresh = AESGCM(bytes(32))
    both = masterkey.MasterKeys("new", {**old.ciphers, "new": fresh}, old.store)
    monkeypatch.setattr(masterkey, "_held", both)
    async with begin(clinic.caller) as tx:
        assert await keys.rewrap(tx) == 3
    async with begin(clinic.caller) as tx:
        assert await keys.rewrap(tx) == 0
    monkeypatch.setattr(masterkey, "_held", masterkey.MasterKeys("new", {"new": fresh}, old.store))
    sealing.forget(clinic.tenant_id)
    async with begin(clinic.caller) as tx:
        found = await patients.get(tx, UUID(made["id"]))
    assert found.emergency_contact == telling()["emergency_contact"]
    monkeypatch.setattr(masterkey, "_held", dataclasses.replace(both, active=old.active))
    async with begin(clinic.caller) as tx:
        await keys.rewrap(tx)  # the other tests have no other master key
    sealing.forget(clinic.tenant_id)


async def test_keys_from_before_the_store_are_put_into_it_and_need_it_from_then_on(
    running: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = masterkey.held()
    assert held is not None
    without_store = masterkey.MasterKeys(held.active, held.ciphers)
    with monkeypatch.context() as before:
        before.setattr(masterkey, "_held", without_store)
        async with new_clinic(running.app, running.contract) as clinic:
            made = await clinic.patient(**telling())
        assert {one.stored_at for one in await encryption_status(clinic)} == {None}
    sealing.forget(clinic.tenant_id)
    async with begin(clinic.caller) as tx:  # a process with a store reads them as they are
        assert (await tx.keyring()).active == {"data": 1, "record": 1}
    alone(monkeypatch, clinic)
    assert await encryption.store(settings) == encryption.Stored(3, 1)
    assert await encryption.store(settings) == encryption.Stored(0, 1)
    assert None not in {one.stored_at for one in await encryption_status(clinic)}
    sealing.forget(clinic.tenant_id)
    async with begin(clinic.caller) as tx:
        found = await patients.get(tx, UUID(made["id"]))
    assert found.emergency_contact == telling()["emergency_contact"]
    sealing.forget(clinic.tenant_id)
    with monkeypatch.context() as without:
        without.setattr(masterkey, "_held", without_store)
        async with begin(clinic.caller) as tx:
            with pytest.raises(masterkey.CannotUnwrap, match="no store of tenants' keys is set"):
                await tx.keyring()


async def test_sec_44_no_file_of_the_table_holds_what_the_master_key_alone_opens(
    running: Running, settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = masterkey.held()
    assert held is not None
    with monkeypatch.context() as before:
        before.setattr(masterkey, "_held", masterkey.MasterKeys(held.active, held.ciphers))
        async with new_clinic(running.app, running.contract) as clinic:
            pass
    async with begin(clinic.caller) as tx:
        old = [one.wrapped for one in await tx.all(queries_keys.LIVING)]
    folder = await data_directory(database_url)
    alone(monkeypatch, clinic)
    await encryption.store(settings)
    async with owner_connection(database_url) as owner:
        await owner.execute("CHECKPOINT")
    for wrapped in old:
        assert [one for one in names_of(folder, wrapped) if one.startswith("base/")] == []


async def test_keys_are_not_rotated_in_another_store(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = masterkey.held()
    assert held is not None
    before = await encryption_status(clinic)
    stores = Keystore((tmp_path,)), None
    for other in stores:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(masterkey, "_held", dataclasses.replace(held, store=other))
            async with begin(clinic.caller) as tx:
                with pytest.raises(masterkey.CannotUnwrap, match="store"):
                    await keys.rotate(tx)
        assert await encryption_status(clinic) == before
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_one_tenants_missing_key_keeps_no_other_from_being_wrapped_anew(
    clinic: Clinic, other_clinic: Clinic, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = masterkey.held()
    assert held is not None
    assert held.store is not None
    alone(monkeypatch, clinic, other_clinic)
    key = held.store.directories[0] / f"{clinic.tenant_id}.key"
    kept = key.read_bytes()
    key.unlink()
    both = masterkey.MasterKeys("new", {**held.ciphers, "new": AESGCM(bytes(32))}, held.store)
    try:
        with monkeypatch.context() as newer:
            newer.setattr(masterkey, "_held", both)
            for command in (encryption.rewrap(), encryption.store(settings)):
                with pytest.raises(masterkey.CannotUnwrap, match="of 1 tenants not") as error:
                    await command
                assert str(clinic.tenant_id) in str(error.value)
            masters = {one.master_id for one in await encryption_status(other_clinic)}
            assert masters == {"new"}
            key.touch(mode=0o600)
            key.write_bytes(kept)
            assert await encryption.rewrap() == 3
        monkeypatch.setattr(masterkey, "_held", dataclasses.replace(both, active=held.active))
        await encryption.rewrap()  # as the other tests have it
    finally:
        key.write_bytes(kept)


async def test_master_keys_stay_while_a_reply_waits_that_one_of_them_sealed(
    clinic: Clinic, settings: Settings
) -> None:
    waiting = {
        "id": clinic.tenant_id, "driver": "http", "message_id": str(clinic.tenant_id),
        "sender": "-", "body": "AA==", "cut": False, "master_id": "older",
    }  # fmt: skip
    async with begin_system("test") as tx:
        await tx.run(STORE, [waiting], tx.now)
    try:
        with pytest.raises(Conflict, match="A reply waits"):
            await encryption.drop_masters(settings)
    finally:
        async with begin_system("test") as tx:
            await tx.run(REMOVE, clinic.tenant_id)


async def test_an_unreadable_row_does_not_keep_the_others_from_being_sealed(
    clinic: Clinic, later: None
) -> None:
    del later
    one, two = await clinic.patient(**telling()), await clinic.patient(**telling())
    async with begin(clinic.caller) as tx:
        await tx.run(PUT_BACK, one["id"], (await kept(clinic, two["id"]))["emergency"])
    await rotated(clinic)
    await resealing.run(clinic.tenant_id, SEALED)
    assert (await kept(clinic, two["id"]))["emergency"].startswith(sealing.lead(2))
    # Somebody may still find the right value for that row: its key is not destroyed.
    assert (await states(clinic))["data", 1] == "retiring"
