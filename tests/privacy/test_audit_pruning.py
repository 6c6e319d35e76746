"""The oldest part of an audit goes after its years; the rest can still be verified."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from chroniccare.audit import anchors, heads, sealing
from chroniccare.audit.verifying import Report, verify
from chroniccare.commands import audit as command
from chroniccare.platform.owner import Owner, owner_connection
from chroniccare.platform.postgres import Command, begin, utc_now
from chroniccare.privacy import audit_pruning, tenant_erasing
from chroniccare.settings import Settings, SettingsError, load
from tests.audit.chain import Chain, chain_of
from tests.client import Clinic
from tests.conftest import Running

SEVEN_YEARS = timedelta(days=7 * 366)
FIRST = Command("SELECT min(seq) FROM audit_seals")


@pytest.fixture
def told(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"audit_heads_dir": str(tmp_path)})


@pytest.fixture
def then(running: Running) -> Iterator[None]:
    """The clock of transactions, seven years ago, until the test puts it back."""
    running.platform.database.clock = partial(_shifted, -SEVEN_YEARS)
    yield
    running.platform.database.clock = utc_now


def _shifted(shift: timedelta) -> datetime:
    return utc_now() + shift


async def old_chain(running: Running, clinic: Clinic, told: Settings) -> Chain:
    """Return a chain of which twenty rows are seven years old and three are of now."""
    chain = await chain_of(clinic, 20, first=utc_now() - SEVEN_YEARS)
    running.platform.database.clock = utc_now
    await clinic.patient()
    await clinic.patient()
    await clinic.patient()
    assert await sealing.seal(clinic.tenant_id)
    await heads.export_one(told, clinic.tenant_id)
    return chain


async def looked(clinic: Clinic, told: Settings) -> Report:
    directory = Path(told.audit_heads_dir)
    anchor = anchors.read(directory).get(clinic.tenant_id)
    return await verify(
        clinic.tenant_id, heads.of_tenant(directory / heads.FILE, clinic.tenant_id), anchor
    )


async def first_seal(clinic: Clinic) -> int:
    async with begin(clinic.caller) as tx:
        return int(await tx.value(FIRST))


async def test_what_is_old_enough_goes_and_the_rest_is_sound(
    running: Running, clinic: Clinic, other_clinic: Clinic, told: Settings, then: None
) -> None:
    del then
    await old_chain(running, clinic, told)
    theirs = await chain_of(other_clinic, 3)
    done = await audit_pruning.prune(told, clinic.tenant_id)
    assert (done.rows, done.last, done.held) == (20, 20, None)
    report = await looked(clinic, told)
    assert (report.findings, report.agreed) == ([], await _last(clinic, told))
    assert await first_seal(clinic) == 21
    assert (await verify(other_clinic.tenant_id)).findings == []
    assert len(theirs.ids) == 3
    # The chain goes on from where it was, and the next time nothing is left to remove.
    await clinic.patient()
    assert await sealing.seal(clinic.tenant_id)
    assert (await looked(clinic, told)).findings == []
    assert (await audit_pruning.prune(told, clinic.tenant_id)).rows == 0
    jobs = (await clinic.get("/privacy-jobs?kind=audit_retention")).json()["data"]["items"]
    assert [job["report"]["rows"] for job in jobs] == [{"audit_logs": 20}]
    found = await command.verified(None, command.told(told, None, None))
    mine = [line for line in found.lines if "confirmed by a signed head" in line]
    assert len(mine) == 1


async def _last(clinic: Clinic, told: Settings) -> int:
    path = Path(told.audit_heads_dir) / heads.FILE
    return max(heads.of_tenant(path, clinic.tenant_id))


async def test_what_nobody_signed_for_is_missing(
    running: Running, clinic: Clinic, told: Settings, then: None, tmp_path: Path
) -> None:
    del then
    await old_chain(running, clinic, told)
    await audit_pruning.prune(told, clinic.tenant_id)
    path = tmp_path / anchors.FILE
    signed = path.read_bytes()
    forged = orjson.loads(signed) | {"seq": 19}
    for text in (b"", b"what?\n", orjson.dumps(forged), orjson.dumps([])):
        path.write_bytes(text)
        (fault,) = (await looked(clinic, told)).findings
        assert (fault.kind, fault.first, fault.last) == ("missing", 1, 20)
    # Nor does a head pass for an anchor, though the same key signs it.
    path.write_bytes((tmp_path / heads.FILE).read_bytes())
    assert anchors.read(tmp_path) == {}
    path.write_bytes(signed)
    async with owner_connection(told.database_url) as owner:
        await owner.execute(
            "DELETE FROM audit_seals WHERE tenant_id = $1 AND seq = 21", clinic.tenant_id
        )
    kinds = {one.kind for one in (await looked(clinic, told)).findings}
    assert kinds == {"missing", "inserted"}


async def test_one_that_was_killed_in_between_is_sound_and_goes_on(
    running: Running, clinic: Clinic, told: Settings, then: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del then
    chain = await old_chain(running, clinic, told)
    for most in (0, 7):  # the anchor alone; and a part of the rows

        async def killed(_owner: Owner, tenant_id: UUID, last: int, most: int = most) -> int:
            async with owner_connection(told.database_url) as owner:
                await owner.fetchval(
                    "SELECT prune_audit_of_tenant($1, $2, $3)", tenant_id, last, most
                )
            raise KeyboardInterrupt

        with monkeypatch.context() as broken:
            broken.setattr(audit_pruning, "_removed", killed)
            with pytest.raises(KeyboardInterrupt):
                await audit_pruning.prune(told, clinic.tenant_id)
        assert await first_seal(clinic) == most + 1
        assert (await looked(clinic, told)).findings == []
    async with owner_connection(told.database_url) as owner:
        await chain.set(owner, 12, "action", "'update'")
        (fault,) = (await looked(clinic, told)).findings
        assert (fault.kind, fault.first) == ("changed", 12)
        with pytest.raises(audit_pruning.NotSound):
            await audit_pruning.prune(told, clinic.tenant_id)
        assert await first_seal(clinic) == 8  # what shows the fault is kept
        await chain.set(owner, 12, "action", "'read'")
    assert (await audit_pruning.prune(told, clinic.tenant_id)).rows == 13
    assert (await looked(clinic, told)).findings == []


async def test_a_legal_hold_keeps_everything_from_its_patients_first_row_on(
    running: Running, clinic: Clinic, told: Settings, then: None
) -> None:
    del then
    patient = await clinic.patient()
    await chain_of(clinic, 3, first=utc_now() - SEVEN_YEARS)
    held = {"reason": "A lawsuit."}
    running.platform.database.clock = utc_now
    await clinic.put(f"/patients/{patient['id']}/legal-hold", held)
    await clinic.patient()
    assert await sealing.seal(clinic.tenant_id)
    done = await audit_pruning.prune(told, clinic.tenant_id)
    assert (done.rows, done.held) == (done.last, done.last + 1)
    async with begin(clinic.caller) as tx:
        rows = Command("SELECT count(*) FROM audit_logs WHERE entity_id = $1::uuid")
        kept = await tx.value(rows, patient["id"])
    assert kept >= 2
    await clinic.delete(f"/patients/{patient['id']}/legal-hold")
    assert (await audit_pruning.prune(told, clinic.tenant_id)).held is None
    assert (await looked(clinic, told)).findings == []


async def test_a_hold_that_comes_meanwhile_keeps_its_patients_rows_and_two_do_not_prune_at_once(
    running: Running, clinic: Clinic, told: Settings, then: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del then
    await clinic.patient()
    patient = await clinic.patient()
    await chain_of(clinic, 3, first=utc_now() - SEVEN_YEARS)
    running.platform.database.clock = utc_now
    await clinic.patient()
    assert await sealing.seal(clinic.tenant_id)
    removed = audit_pruning._removed

    async def late(owner: Owner, tenant_id: UUID, last: int) -> tuple[int, int | None]:
        assert last > 3
        with pytest.raises(audit_pruning.PruningBusy):
            await audit_pruning.prune(told, clinic.tenant_id)
        held = {"reason": "A lawsuit."}
        await clinic.put(f"/patients/{patient['id']}/legal-hold", held)
        return await removed(owner, tenant_id, last)

    monkeypatch.setattr(audit_pruning, "_removed", late)
    done = await audit_pruning.prune(told, clinic.tenant_id)
    assert done.rows > 0
    assert (done.rows, done.held) == (await first_seal(clinic) - 1, await first_seal(clinic))
    async with begin(clinic.caller) as tx:
        rows = Command("SELECT count(*) FROM audit_logs WHERE entity_id = $1::uuid")
        assert await tx.value(rows, patient["id"]) >= 2
    assert (await looked(clinic, told)).findings == []


async def test_a_clinic_is_erased_whose_audit_begins_later(
    running: Running, clinic: Clinic, told: Settings, then: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del then
    monkeypatch.setattr(tenant_erasing, "SETTLE_S", 0.0)
    await old_chain(running, clinic, told)
    await audit_pruning.prune(told, clinic.tenant_id)
    async with owner_connection(told.database_url) as owner:
        name = await owner.fetchval("SELECT subdomain FROM tenants WHERE id = $1", clinic.tenant_id)
    done = await tenant_erasing.erase(told, name, reason="The contract has ended.")
    assert done.report["audit"]["faults"] == 0


async def test_the_application_may_not_remove_it_afterwards(
    running: Running, clinic: Clinic, told: Settings, then: None
) -> None:
    del then
    await old_chain(running, clinic, told)
    await audit_pruning.prune(told, clinic.tenant_id)
    async with begin(clinic.caller) as tx:
        for table in ("audit_logs", "audit_seals"):
            may = Command("SELECT has_table_privilege($1, 'DELETE')")
            assert await tx.value(may, table) is False
        may = Command(
            "SELECT has_function_privilege('prune_audit_of_tenant(uuid, bigint, integer)',"
            " 'EXECUTE')"
        )
        assert await tx.value(may) is False


def test_fewer_years_than_six_are_refused() -> None:
    assert load({}).retain_audit_years == 6
    with pytest.raises(SettingsError, match="CHRONICCARE_RETAIN_AUDIT_YEARS"):
        load({"CHRONICCARE_RETAIN_AUDIT_YEARS": "5"})
