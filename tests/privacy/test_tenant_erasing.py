"""A whole tenant is erased: every row of every table, and nobody else's."""

import asyncio
import base64
import os
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.audit import heads, sealing
from chroniccare.audit.rules import Head
from chroniccare.commands import audit
from chroniccare.core.ids import new_id
from chroniccare.notifications.devices import registering
from chroniccare.notifications.devices.registrars import Local, NotNow
from chroniccare.platform import key_file, masterkey
from chroniccare.platform import sealing as values
from chroniccare.platform.owner import Owner, owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.privacy import queries_tenants, rules_tenants, tenant_erasing
from chroniccare.privacy.erasing import LegalHold
from chroniccare.settings import Settings
from chroniccare.tenancy.actions import list_tenants
from tests.client import Clinic
from tests.contracts.operations import RECORDS, made_records
from tests.e2e.process import run

ASKED = "The contract has ended."
TABLES = (
    "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
    " AND column_name = 'tenant_id' ORDER BY table_name"
)


@dataclass(frozen=True, slots=True)
class Erasing:
    """A clinic that is erased, its evidence, and a look at every table as their owner."""

    settings: Settings
    subdomain: str
    url: str

    async def erase(self) -> tenant_erasing.Erased:
        return await tenant_erasing.erase(self.settings, self.subdomain, reason=ASKED)

    async def counts(self, tenant_id: UUID) -> dict[str, int]:
        """Return how many rows each table has of a tenant, by the catalogue."""
        async with owner_connection(self.url) as owner:
            tables = [row[0] for row in await owner.fetch(TABLES)]
            return {
                table: await owner.fetchval(
                    f"SELECT count(*) FROM {table} WHERE tenant_id = $1",  # noqa: S608
                    tenant_id,
                )
                for table in tables
            }


@pytest.fixture
async def erasing(
    clinic: Clinic, settings: Settings, database_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Erasing:  # fmt: skip
    monkeypatch.setattr(tenant_erasing, "SETTLE_S", 0.0)
    async with owner_connection(database_url) as owner:
        name = await owner.fetchval("SELECT subdomain FROM tenants WHERE id = $1", clinic.tenant_id)
    told = settings.model_copy(
        update={"audit_heads_dir": str(tmp_path), "fhir_export_dir": str(tmp_path / "exports")}
    )
    return Erasing(told, name, database_url)


async def test_files_of_exports_go_of_this_tenant_alone(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = settings.model_copy(update={"fhir_export_dir": str(tmp_path / "exports")})
    one, other = new_id(), new_id()
    for tenant_id in (one, other):
        (tmp_path / "exports" / str(tenant_id) / "export").mkdir(parents=True)
    await tenant_erasing._remove_exports(told, one)
    await tenant_erasing._remove_exports(told, one)
    with monkeypatch.context() as patched:
        patched.setattr(tenant_erasing, "rmtree", Mock(side_effect=PermissionError))
        with pytest.raises(tenant_erasing.ErasureBusy):
            await tenant_erasing._remove_exports(told, other)
    assert [path.name for path in (tmp_path / "exports").iterdir()] == [str(other)]


async def test_sec_44_every_row_of_a_tenant_goes_and_none_of_anothers(
    clinic: Clinic, other_clinic: Clinic, erasing: Erasing, tmp_path: Path
) -> None:
    for one in (clinic, other_clinic):
        await made_records(one, RECORDS)
    mine, theirs = [await erasing.counts(one.tenant_id) for one in (clinic, other_clinic)]
    assert len([table for table, count in mine.items() if count]) > 30
    foreign = (await other_clinic.get("/patients")).json()["data"]
    exported = tmp_path / "exports" / str(clinic.tenant_id)
    await asyncio.to_thread(exported.mkdir, parents=True)

    done = await erasing.erase()

    assert not await asyncio.to_thread(exported.exists)

    left = await erasing.counts(clinic.tenant_id)
    assert {table for table, count in left.items() if count} == tenant_erasing.KEPT.keys()
    after = await erasing.counts(other_clinic.tenant_id)
    audit = {"audit_logs", "audit_seals"}  # grow with what is read here
    assert {t: c for t, c in after.items() if t not in audit} == {
        t: c for t, c in theirs.items() if t not in audit
    }
    assert after["audit_logs"] >= theirs["audit_logs"]
    assert (await other_clinic.get("/patients")).json()["data"] == foreign
    rows = done.report["rows"]
    assert {t: c for t, c in rows.items() if t not in audit} == {
        t: c for t, c in mine.items() if c and t not in audit | tenant_erasing.KEPT.keys()
    }
    assert rows["audit_logs"] == rows["audit_seals"] == done.report["audit"]["seq"]
    assert done.report["audit"]["faults"] == 0
    async with owner_connection(erasing.url) as owner:
        stone = await owner.fetch(
            "SELECT name, is_active FROM tenants WHERE id = $1", clinic.tenant_id
        )
        keys = await owner.fetch(
            "SELECT state, wrapped FROM tenant_keys WHERE tenant_id = $1", clinic.tenant_id
        )
    assert [tuple(row) for row in stone] == [("Erased", False)]
    assert {tuple(row) for row in keys} == {("destroyed", None)}
    assert clinic.tenant_id not in {tenant.id for tenant in await list_tenants()}
    await asyncio.sleep(1)  # authorisations are remembered for 0.8 s
    assert (await clinic.http.get("/api/v1/patients")).status_code == 401
    evidence(tmp_path, done, clinic.tenant_id)


def evidence(folder: Path, done: tenant_erasing.Erased, tenant_id: UUID) -> None:
    """The report and the last head are signed, and the head is the report's."""
    public = key_file.public_key(folder / heads.PUBLIC)
    report = orjson.loads(done.path.read_bytes())
    signature = base64.b64decode(report.pop("signature"))
    assert key_file.is_signed(public, signature, orjson.dumps(report))
    assert report == done.report
    assert not key_file.is_signed(public, signature, orjson.dumps({**report, "reason": "x"}))
    told = [one for one in heads.read_file(folder / heads.FILE) if isinstance(one, Head)]
    last = max((one for one in told if one.tenant_id == tenant_id), key=lambda one: one.seq)
    assert (last.seq, last.hash.hex()) == (report["audit"]["seq"], report["audit"]["hash"])
    assert done.path.stat().st_mode & 0o777 == 0o600


async def test_sec_44_a_backup_from_before_opens_for_every_tenant_but_the_erased(
    clinic: Clinic, other_clinic: Clinic, erasing: Erasing
) -> None:
    made = [await one.patient() for one in (clinic, other_clinic)]
    kept = "SELECT row_to_json(k)::text FROM tenant_keys k WHERE tenant_id = ANY($1)"
    put_back = "INSERT INTO tenant_keys SELECT * FROM json_populate_record(NULL::tenant_keys, $1)"
    both = [clinic.tenant_id, other_clinic.tenant_id]
    async with owner_connection(erasing.url) as owner:
        backup = [row[0] for row in await owner.fetch(kept, both)]
        contact = "SELECT value FROM contact_points WHERE patient_id = $1::uuid LIMIT 1"
        sealed = [await owner.fetchval(contact, one["id"]) for one in made]
    done = await erasing.erase()
    assert done.report["backups_unreadable_since"] is not None
    # The database of before, with the master key of before: only the store is of today.
    async with owner_connection(erasing.url) as owner:
        await owner.execute("DELETE FROM tenant_keys WHERE tenant_id = ANY($1)", both)
        for row in backup:
            await owner.execute(put_back, row)
    assert masterkey.held() is not None
    assert all(one.startswith(values.MARK) for one in sealed)
    values.forget(other_clinic.tenant_id)
    async with begin(other_clinic.caller) as tx:
        assert (await tx.keyring(afresh=True)).active
    async with begin(clinic.caller) as tx:
        with pytest.raises(masterkey.CannotUnwrap, match=f"no key of tenant {clinic.tenant_id}"):
            await tx.keyring(afresh=True)
    # As the other tests expect of what is erased.
    async with owner_connection(erasing.url) as owner:
        await owner.execute(
            "UPDATE tenant_keys SET wrapped = NULL, state = 'destroyed',"
            " destroyed_at = created_at WHERE tenant_id = $1",
            clinic.tenant_id,
        )


async def test_what_the_application_may_never_remove_it_may_not_afterwards(
    clinic: Clinic, erasing: Erasing
) -> None:
    rights = (
        "SELECT relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace"
        " AND relkind = 'r' AND has_table_privilege('chroniccare_app', c.oid, 'DELETE')"
    )
    enabled = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'O'"
    async with owner_connection(erasing.url) as owner:
        before = await owner.fetch(rights)
        await clinic.patient()
        await erasing.erase()
        assert await owner.fetch(rights) == before
        assert await owner.fetch(enabled) == []
    async with begin(clinic.caller) as tx:
        may = Command(
            "SELECT has_function_privilege("
            "'erase_rows_of_tenant(regclass[], uuid, integer)', 'EXECUTE')"
        )
        assert await tx.value(may) is False


async def test_sec_44_a_legal_hold_on_one_patient_forbids_it(
    clinic: Clinic, erasing: Erasing
) -> None:
    patient = await clinic.patient()
    await clinic.put(f"/patients/{patient['id']}/legal-hold", {"reason": "Lawsuit 12"})
    before = await erasing.counts(clinic.tenant_id)
    with pytest.raises(LegalHold):
        await erasing.erase()
    assert await erasing.counts(clinic.tenant_id) == before
    assert (await clinic.get(f"/patients/{patient['id']}")).status_code == 200


async def test_a_hold_that_comes_while_it_is_closed_opens_it_again(
    clinic: Clinic, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await clinic.patient()
    held = Command(
        "INSERT INTO legal_holds (tenant_id, patient_id, reason, placed_at)"
        " VALUES ($1, $2, 'Lawsuit 12', now())"
    )
    close = tenant_erasing._close

    async def closed(tenant_id: UUID, reason: str) -> None:
        await close(tenant_id, reason)
        async with begin(clinic.caller) as tx:
            await tx.run(held, tenant_id, UUID(patient["id"]))

    monkeypatch.setattr(tenant_erasing, "_close", closed)
    with pytest.raises(LegalHold):
        await erasing.erase()
    read = (await clinic.get(f"/patients/{patient['id']}")).json()["data"]
    assert read["id"] == patient["id"]
    async with begin(clinic.caller) as tx:
        states = await tx.values(Command("SELECT state FROM tenant_keys"))
    assert set(states) == {"active"}


async def test_one_that_was_interrupted_is_taken_up(
    clinic: Clinic, erasing: Erasing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await clinic.patient()
    emptied = tenant_erasing._emptied

    async def torn(owner: Owner, tenant_id: UUID) -> dict[str, int]:
        await owner.fetchval(queries_tenants.REMOVE, ["audit_seals"], tenant_id, None)
        raise KeyboardInterrupt

    monkeypatch.setattr(tenant_erasing, "_emptied", torn)
    with pytest.raises(KeyboardInterrupt):
        await erasing.erase()
    monkeypatch.setattr(tenant_erasing, "_emptied", emptied)
    done = await erasing.erase()
    assert done.report["resumed"] is True
    left = await erasing.counts(clinic.tenant_id)
    assert {table for table, count in left.items() if count} == tenant_erasing.KEPT.keys()
    evidence(tmp_path, done, clinic.tenant_id)


async def test_it_waits_for_a_push_service_that_forgets_no_device(
    clinic: Clinic, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await clinic.patient()
    body = {"platform": "fcm", "token": "a-token-of-a-device"}
    made = await clinic.make(f"/patients/{patient['id']}/devices", body)
    await registering.sweep(clinic.tenant_id, Local())
    forget = AsyncMock(side_effect=[NotNow("unreachable"), None])
    monkeypatch.setattr(Local, "forget", forget)
    with pytest.raises(tenant_erasing.ErasureBusy, match="has not forgotten 1 devices"):
        await erasing.erase()
    assert (await erasing.counts(clinic.tenant_id))["patient_devices"] == 1
    done = await erasing.erase()
    assert done.report["rows"]["patient_devices"] == 1
    assert [one.args for one in forget.await_args_list] == [(f"device:{made['id']}",)] * 2


async def test_of_two_at_once_one_erases_and_the_other_says_so(
    clinic: Clinic, erasing: Erasing, tmp_path: Path
) -> None:
    await clinic.patient()
    done = await asyncio.gather(erasing.erase(), erasing.erase(), return_exceptions=True)
    (erased,) = [one for one in done if isinstance(one, tenant_erasing.Erased)]
    (busy,) = [one for one in done if isinstance(one, tenant_erasing.ErasureBusy)]
    assert "Another erasure is under way" in busy.message
    evidence(tmp_path, erased, clinic.tenant_id)


async def test_as_a_command_it_wants_the_name_twice(
    clinic: Clinic, erasing: Erasing, tmp_path: Path
) -> None:
    await clinic.patient()
    master = tmp_path / "master.key"
    held = masterkey.held()
    assert held is not None
    environment = {
        "DATABASE_URL": erasing.url, "CHRONICCARE_DATA_DIR": str(tmp_path / "none"),
        "CHRONICCARE_AUDIT_HEADS_DIR": str(tmp_path),
        "CHRONICCARE_MASTER_KEY_FILE": erasing.settings.master_key_file,
    }  # fmt: skip
    assert not master.exists()
    asked = ("tenants", "erase", erasing.subdomain, "--reason", ASKED, "--confirm")
    assert run(*asked, "another", **environment).returncode == 2
    before = await erasing.counts(clinic.tenant_id)
    assert before["patients"] == 1
    elsewhere = run(*asked, erasing.subdomain, **environment)
    assert "in a store that is not set here" in elsewhere.stderr
    assert (await erasing.counts(clinic.tenant_id))["patients"] == 1
    environment["CHRONICCARE_TENANT_KEY_DIRS"] = erasing.settings.tenant_key_dirs
    done = run(*asked, erasing.subdomain, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("erased ")
    assert f"report: {tmp_path}{os.sep}erased-{clinic.tenant_id}-" in done.stdout
    again = run(*asked, erasing.subdomain, **environment)
    assert again.returncode == 2
    assert "No tenant has this subdomain" in again.stderr
    verified = run("audit", "verify", **environment)
    assert f"{clinic.tenant_id}: erased; its report has the last head" in verified.stdout


async def test_the_end_of_the_audit_is_copied_first(
    clinic: Clinic, erasing: Erasing, tmp_path: Path
) -> None:
    await clinic.patient()
    copy = tmp_path / "copies" / "audit.jsonl"
    update = {"audit_copy": f"file:{copy}"}
    told = Erasing(erasing.settings.model_copy(update=update), erasing.subdomain, erasing.url)
    with pytest.raises(tenant_erasing.ErasureBusy, match="not copied"):
        await told.erase()
    assert (await told.counts(clinic.tenant_id))["patients"] == 1
    copy.parent.mkdir()
    done = await told.erase()
    lines = [orjson.loads(line) for line in copy.read_bytes().splitlines()]
    assert [one["seq"] for one in lines] == list(range(1, done.report["audit"]["seq"] + 1))
    assert lines[-1]["hash"] == done.report["audit"]["hash"]


async def test_one_whose_copy_is_in_other_hands_waits(
    clinic: Clinic, erasing: Erasing, tmp_path: Path
) -> None:
    held = Command(
        "INSERT INTO audit_copies (tenant_id, lease_until) VALUES ($1, now() + interval '1 minute')"
    )
    async with begin(clinic.caller) as tx:
        await tx.run(held, clinic.tenant_id)
    update = {"audit_copy": f"file:{tmp_path / 'audit.jsonl'}"}
    told = Erasing(erasing.settings.model_copy(update=update), erasing.subdomain, erasing.url)
    with pytest.raises(tenant_erasing.ErasureBusy, match="is copying"):
        await told.erase()


async def test_who_is_only_called_erased_is_not(
    clinic: Clinic, erasing: Erasing, tmp_path: Path
) -> None:
    await clinic.patient()
    await sealing.seal(clinic.tenant_id)
    await heads.export(erasing.settings, {})
    async with begin(clinic.caller) as tx:
        may = Command("SELECT has_column_privilege('tenants', 'erased_at', 'UPDATE')")
        assert await tx.value(may) is False
    async with owner_connection(erasing.url) as owner:
        await owner.execute("UPDATE tenants SET erased_at = now() WHERE id = $1", clinic.tenant_id)
    verified = await audit.verified(None, audit.told(erasing.settings, None, None))
    assert not verified.ok
    assert f"{clinic.tenant_id}: called erased, and no signed report" in "\n".join(verified.lines)

    seq, hash_ = 1, "00"
    report = {"tenant": str(clinic.tenant_id), "audit": {"seq": seq, "hash": hash_}}
    forged = orjson.dumps({**report, "signature": base64.b64encode(b"x" * 64).decode()})
    (tmp_path / f"erased-{clinic.tenant_id}-1.json").write_bytes(forged)
    (tmp_path / f"erased-{clinic.tenant_id}-2.json").write_bytes(b"[]")
    assert tenant_erasing.reported(tmp_path) == {}
    key = heads.signer(erasing.settings)
    signed = {**report, "signature": base64.b64encode(key.sign(orjson.dumps(report))).decode()}
    (tmp_path / f"erased-{clinic.tenant_id}-3.json").write_bytes(orjson.dumps(signed))
    assert tenant_erasing.reported(tmp_path) == {clinic.tenant_id: {(seq, hash_)}}
    # Signed, and not of the last head.
    assert not (await audit.verified(None, audit.told(erasing.settings, None, None))).ok


NAMES = "abcdefg"


@given(
    st.dictionaries(
        st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES + "x"), max_size=3), min_size=1
    )
)
def test_tables_are_emptied_before_those_that_they_lead_to(leads_to: dict[str, set[str]]) -> None:
    groups = rules_tenants.order(leads_to)
    assert sorted(name for group in groups for name in group) == sorted(leads_to)
    place = {name: at for at, group in enumerate(groups) for name in group}
    for name, others in leads_to.items():
        for other in others & leads_to.keys():
            assert place[name] <= place[other]
            if place[name] == place[other]:
                assert rules_tenants.is_circular(groups[place[name]], leads_to)
