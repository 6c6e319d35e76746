"""Whatever the owner of the tables does to the log is found, and where."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from chroniccare.audit import heads, sealing
from chroniccare.audit.queries_seals import COLUMNS
from chroniccare.audit.rules import Finding, Head
from chroniccare.audit.verifying import verify
from chroniccare.commands import audit as command
from chroniccare.platform.owner import owner_connection
from chroniccare.settings import Settings
from tests.audit.chain import APART, NOON, Chain, Owner, chain_of, write
from tests.client import Clinic

ROWS = 12
# For each column, an expression of another value of it; a row's id is what its seal names.
OTHER = {
    "tenant_id": "tenant_id",  # a row of another tenant: see below
    "entity_type": "entity_type || ' '",
    "entity_id": "NULL",
    "action": "'update'",
    "user_id": "gen_random_uuid()",
    "user_type": "NULL",
    "changes": """'{"before": {"a": 1.0}}'""",
    "metadata": """metadata || '{"requestId": 10000000000000000001}'""",
    "ip_address": "'192.0.2.7/31'",
    "created_at": "created_at + interval '1 microsecond'",
    "xact": "xact + 1",
}

Found = list[tuple[str, int | None, int | None]]
Tamper = Callable[[Owner, Chain, int, int], Awaitable[Found]]


async def edit(owner: Owner, chain: Chain, one: int, two: int) -> Found:
    column = [name for name in OTHER if name != "tenant_id"][two % (len(OTHER) - 1)]
    await chain.set(owner, one, column, OTHER[column])
    return [("changed", one, one)]


async def delete(owner: Owner, chain: Chain, one: int, _two: int) -> Found:
    await chain.delete(owner, one, seal=False)
    return [("deleted", one, one)]


async def delete_with_seal(owner: Owner, chain: Chain, one: int, _two: int) -> Found:
    await chain.delete(owner, one, seal=True)
    return [("cut" if one == ROWS else "missing", one, one)]


async def delete_seal(owner: Owner, chain: Chain, one: int, _two: int) -> Found:
    await owner.execute(
        "DELETE FROM audit_seals WHERE tenant_id = $1 AND seq = $2", chain.tenant_id, one
    )
    # The row of a seal that is missing at the end waits for the next.
    return [("cut", one, one)] if one == ROWS else [("missing", one, one), ("inserted", None, None)]


async def insert(owner: Owner, chain: Chain, one: int, _two: int) -> Found:
    at = NOON + (one - 2) * APART  # before the last by more than five minutes, even of the last
    await owner.execute(
        "INSERT INTO audit_logs (id, tenant_id, entity_type, action, created_at)"
        " VALUES (gen_random_uuid(), $1, 'patient', 'read', $2)",
        chain.tenant_id,
        at,
    )
    return [("inserted", None, None)]


async def swap_rows(owner: Owner, chain: Chain, one: int, two: int) -> Found:
    """Exchange what two rows say, their ids stay."""
    columns = ", ".join(name for name in COLUMNS if name not in {"id", "tenant_id"})
    ids = (chain.ids[one - 1], chain.ids[two - 1])
    await owner.execute(
        f"UPDATE audit_logs a SET ({columns}) = (SELECT {columns} FROM audit_logs b"  # noqa: S608
        " WHERE b.id = CASE WHEN a.id = $1 THEN $2 ELSE $1 END) WHERE a.id IN ($1, $2)",
        *ids,
    )
    return [("changed", one, one), ("changed", two, two)]


async def swap_seals(owner: Owner, chain: Chain, one: int, two: int) -> Found:
    for before, after in ((one, 1000), (two, one), (1000, two)):
        await owner.execute(
            "UPDATE audit_seals SET seq = $3 WHERE tenant_id = $1 AND seq = $2",
            chain.tenant_id,
            before,
            after,
        )
    return [("changed", one, one), ("changed", two, two)]


async def edit_seal(owner: Owner, chain: Chain, one: int, two: int) -> Found:
    column, value = [
        ("hash", "sha256(hash)"), ("prev", "sha256(prev)"), ("horizon", "horizon + 1"),
        ("sealed_at", "sealed_at - interval '1 microsecond'"),
    ][two % 4]  # fmt: skip
    await owner.execute(
        f"UPDATE audit_seals SET {column} = {value} WHERE tenant_id = $1 AND seq = $2",  # noqa: S608
        chain.tenant_id,
        one,
    )
    return [("changed", one, one)]


async def cut(owner: Owner, chain: Chain, one: int, _two: int) -> Found:
    for number in range(one, ROWS + 1):
        await chain.delete(owner, number, seal=True)
    return [("cut", one, ROWS)]


TAMPERS: list[Tamper] = [
    edit, delete, delete_with_seal, delete_seal, insert, swap_rows, swap_seals, edit_seal, cut,
]  # fmt: skip


def told(findings: list[Finding]) -> Found:
    return sorted(
        ((one.kind, one.first, one.last) for one in findings), key=lambda one: one[1] or ROWS + 1
    )


@pytest.mark.parametrize("tamper", TAMPERS)
@given(data=st.data())
@limits(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_sec_27_any_single_change_is_found_and_located(
    clinic: Clinic, database_url: str, tamper: Tamper, data: st.DataObject
) -> None:
    one = data.draw(st.integers(1, ROWS), label="one")
    two = data.draw(st.integers(1, ROWS).filter(lambda other: other != one), label="two")
    one, two = sorted((one, two)) if tamper in {swap_rows, swap_seals} else (one, two)
    await emptied(clinic.tenant_id, database_url)
    chain = await chain_of(clinic, ROWS)
    head = await head_of(clinic)
    assert (await verify(chain.tenant_id, head)).findings == []
    async with owner_connection(database_url) as owner:
        wanted = await tamper(owner, chain, one, two)
    report = await verify(chain.tenant_id, head)
    if tamper is edit_seal and one == ROWS and two % 4 == 0:
        wanted = [("changed", ROWS, ROWS)]  # and so the head's hash, which says nothing more
    found = told(report.findings)
    if tamper is delete_seal and one == ROWS:
        # Its row waits for the next seal, or is late: other transactions of the server decide.
        found = [finding for finding in found if finding != ("inserted", None, None)]
    assert found == wanted


async def emptied(tenant_id: UUID, url: str) -> None:
    async with owner_connection(url) as owner:
        await owner.execute("DELETE FROM audit_seals WHERE tenant_id = $1", tenant_id)
        await owner.execute("DELETE FROM audit_logs WHERE tenant_id = $1", tenant_id)


async def head_of(clinic: Clinic) -> dict[int, Head]:
    (head,) = [head for head in await heads._heads() if head.tenant_id == clinic.tenant_id]
    return {head.seq: head}


@pytest.mark.parametrize("column", [name for name in OTHER if name != "tenant_id"])
async def test_a_change_of_any_column_is_seen(
    clinic: Clinic, database_url: str, column: str
) -> None:
    chain = await chain_of(clinic, 3)
    async with owner_connection(database_url) as owner:
        await chain.set(owner, 2, column, OTHER[column])
    assert told((await verify(chain.tenant_id)).findings) == [("changed", 2, 2)]


async def test_a_row_that_goes_to_another_tenant_is_missed_and_found(
    clinic: Clinic, other_clinic: Clinic, database_url: str
) -> None:
    chain = await chain_of(clinic, 3)
    await chain_of(other_clinic, 3)
    async with owner_connection(database_url) as owner:
        await chain.set(owner, 2, "tenant_id", f"'{other_clinic.tenant_id}'")
    assert told((await verify(chain.tenant_id)).findings) == [("deleted", 2, 2)]
    (found,) = (await verify(other_clinic.tenant_id)).findings
    assert (found.kind, found.audit_id) == ("inserted", chain.ids[1])


async def test_a_row_that_is_slipped_in_and_sealed_is_found(
    clinic: Clinic, database_url: str
) -> None:
    chain = await chain_of(clinic, 4)
    async with owner_connection(database_url) as owner:
        await insert(owner, chain, 3, 0)
    assert await sealing.seal(clinic.tenant_id)
    (found,) = (await verify(chain.tenant_id)).findings
    assert (found.kind, found.first, found.at) == ("inserted", 5, NOON + APART)


async def test_a_chain_that_is_written_anew_is_given_away_by_its_heads(
    clinic: Clinic, database_url: str
) -> None:
    first = await write(clinic, 4)
    assert await sealing.seal(clinic.tenant_id)
    head = await head_of(clinic)
    await write(clinic, 4, first=NOON + timedelta(days=1))
    assert await sealing.seal(clinic.tenant_id)
    head |= await head_of(clinic)
    async with owner_connection(database_url) as owner:
        await Chain(clinic.tenant_id, first).set(owner, 4, "action", "'update'")
        await owner.execute("DELETE FROM audit_seals WHERE tenant_id = $1", clinic.tenant_id)
    assert await sealing.seal(clinic.tenant_id)
    assert (await verify(clinic.tenant_id)).findings == []  # without heads nothing tells
    (found,) = (await verify(clinic.tenant_id, head)).findings
    assert (found.kind, found.first, found.last) == ("rewritten", 1, 4)


async def test_five_thousand_rows_one_of_them_changed(clinic: Clinic, database_url: str) -> None:
    chain = await chain_of(clinic, 5_200)  # more than a batch of the verifier
    async with owner_connection(database_url) as owner:
        await chain.set(owner, 5_003, "action", "'update'")
    report = await verify(chain.tenant_id)
    assert (report.sealed, told(report.findings)) == (5_200, [("changed", 5_003, 5_003)])


async def test_heads_are_exported_signed_and_each_once(
    clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    there = settings.model_copy(update={"audit_heads_dir": str(tmp_path / "audit")})
    chain, seen = await chain_of(clinic, 3), dict[UUID, int]()
    await heads.export(there, seen)
    await heads.export(there, seen)
    await write(clinic, 1, first=NOON + timedelta(days=1))
    assert await sealing.seal(clinic.tenant_id)
    await heads.export(there, seen)
    file = tmp_path / "audit" / heads.FILE
    found = [one for one in heads.read_file(file) if isinstance(one, Head)]
    assert [one.seq for one in found if one.tenant_id == chain.tenant_id] == [3, 4]
    assert (tmp_path / "audit" / "head.key").stat().st_mode & 0o777 == 0o600
    ours = {one.seq: one for one in found if one.tenant_id == chain.tenant_id}
    assert (await verify(chain.tenant_id, ours)).agreed == 4


_HOLD = """
import fcntl, sys
with open(sys.argv[1], "ab") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


async def test_who_writes_heads_waits_for_another_machine_that_does(
    clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    there = settings.model_copy(update={"audit_heads_dir": str(tmp_path)})
    await chain_of(clinic, 1)
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLD, str(tmp_path / heads.FILE), stdin=PIPE, stdout=PIPE
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"held\n"
    exporting = asyncio.create_task(heads.export(there, {}))
    done, _ = await asyncio.wait([exporting], timeout=1)
    assert done == set()
    await other.communicate(b"")  # the end of its input lets it go
    assert await exporting > 0


@pytest.mark.parametrize("byte", [10, 60, 90, 150, -10])
async def test_a_line_that_was_changed_is_no_head(
    clinic: Clinic, settings: Settings, tmp_path: Path, byte: int
) -> None:
    there = settings.model_copy(update={"audit_heads_dir": str(tmp_path)})
    await chain_of(clinic, 1)
    await heads.export(there, {})
    file = tmp_path / heads.FILE
    lines = file.read_bytes().splitlines(keepends=True)
    changed = bytearray(lines[0])
    changed[byte] = ord("7") if changed[byte] != ord("7") else ord("3")
    file.write_bytes(bytes(changed) + b"no json\n" + b"".join(lines[1:]))
    assert [one for one in heads.read_file(file) if isinstance(one, int)] == [1, 2]


async def test_two_heads_of_one_number_tell_of_a_chain_written_anew(
    clinic: Clinic, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    there = settings.model_copy(update={"audit_heads_dir": str(tmp_path)})
    chain = await chain_of(clinic, 2)
    await heads.export(there, {})
    assert command.told(there, None, None).twice == set()
    async with owner_connection(database_url) as owner:
        await owner.execute(
            "UPDATE audit_seals SET hash = sha256(hash) WHERE tenant_id = $1 AND seq = 2",
            chain.tenant_id,
        )
    await heads.export(there, {})  # as a worker does that was started again
    given = command.told(there, None, None)
    assert given.twice == {(chain.tenant_id, 2)}
    found = await command.verified(None, given)
    assert not found.ok
    assert any("rewritten at number 2: two heads" in line for line in found.lines)
