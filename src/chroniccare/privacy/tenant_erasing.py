"""Erasure of a whole tenant: every row of every table, and the keys that its backups need.

What is left names nobody: the tenant's id, its destroyed keys, the signed head of its audit and a
signed report, which stand outside of the database. Who calls it owns the schema (ADR 0036).
"""

import asyncio
import base64
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import UUID

import orjson

from chroniccare.audit import anchors, copying, heads, sealing, verifying
from chroniccare.audit.actions import record
from chroniccare.audit.places import CopyError
from chroniccare.audit.rules import Head
from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, NotFound, Unavailable
from chroniccare.notifications.channels import registrars
from chroniccare.notifications.devices import registering
from chroniccare.platform import key_file
from chroniccare.platform.aws_error import AwsError
from chroniccare.platform.bucket import Bucket, is_bucket
from chroniccare.platform.owner import Owner, owner_connection
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.privacy import queries_tenants as queries
from chroniccare.privacy import rules_tenants as rules
from chroniccare.privacy.erasing import LegalHold
from chroniccare.settings import Settings
from chroniccare.tenancy import keys, queries_keys

KEPT = {"tenant_keys": "what is left of destroyed keys: when, and under which master key they were"}
"""Tables with rows of tenants that are not emptied, and why."""
_JOB = "tenant-erasure"
_BATCH = 5000
_PASSES = 5
SETTLE_S = 2.0
"""Authorisations are remembered for less than a second, and requests may be under way."""


class ErasureBusy(Conflict):
    """Another erasure is under way, or rows kept coming."""

    code = "TENANT_ERASURE_BUSY"


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done; `path` is the signed report."""

    path: Path
    report: dict[str, Any]


async def erase(settings: Settings, subdomain: str, *, reason: str) -> Erased:
    """Erase a tenant for good; begun once, the same call takes up where it stopped.

    The report and the last head go to `audit_heads_dir`. Of one that was taken up, the report
    counts the rows of its own run.

    Raises:
        NotFound: no such tenant.
        LegalHold: one is placed on a patient; nothing is changed.
        NoStore: its keys are in a store that this process does not have; nothing is changed.
        ErasureBusy: another erasure is under way; or rows kept coming, the end of the audit was not
            copied, or the push service has not forgotten every device, and it must be repeated.
    """
    async with owner_connection(settings.database_url) as owner:
        # Held to the end: two of the same tenant would each export a head and report half.
        if not await owner.fetchval(queries.ONE_AT_A_TIME):
            raise ErasureBusy("Another erasure is under way; begin when it is done.")
        return await _erase(settings, owner, subdomain, reason)


async def _erase(settings: Settings, owner: Owner, subdomain: str, reason: str) -> Erased:
    tenant = await _find(subdomain)
    # A directory that cannot be written says so now, and so does a store that is not set.
    await asyncio.to_thread(heads.signer, settings)
    async with begin(system(tenant.id, job=_JOB)) as tx:
        await keys.check_store(tx)
    if tenant.erased_at is None:
        await _close(tenant.id, reason)
        await asyncio.sleep(SETTLE_S)
        await _shred(tenant.id, reason)
    await asyncio.to_thread(keys.unstore, tenant.id)
    head, faults = await _evidence(settings, tenant)
    if tenant.erased_at is None:
        await _copied(settings, tenant.id)
        async with begin(system(tenant.id, job=_JOB)) as tx:
            at = tx.now
        await owner.fetchval(queries.MARK, tenant.id, at)
    await _forget_devices(settings, tenant.id)
    rows = await _emptied(owner, tenant.id)
    await _remove_exports(settings, tenant.id)
    async with begin(system(tenant.id, job=_JOB)) as tx:
        destroyed, finished = await tx.all(queries_keys.LIST), tx.now
    report = {
        "tenant": str(tenant.id), "subdomain": subdomain, "reason": reason,
        "finished_at": finished.isoformat(), "resumed": tenant.erased_at is not None,
        "keys_destroyed": len(destroyed), "backups_unreadable_since": _apart_since(destroyed),
        "audit": _told(head, faults),
        "rows": {name: count for name, count in sorted(rows.items()) if count}, "kept": KEPT,
    }  # fmt: skip
    path = await asyncio.to_thread(_write, settings, tenant.id, report, finished)
    async with begin(system(tenant.id, job=_JOB)) as tx:
        await tx.run(queries.FINISH, tenant.id, tx.now)
    return Erased(path, report)


async def erased() -> set[UUID]:
    """Return the tenants that the database calls erased; only a signed report proves it."""
    async with begin_system(_JOB) as tx:
        return set(await tx.values(queries.ERASED))


def reported(directory: Path, public: Path | None = None) -> dict[UUID, set[tuple[int, str]]]:
    """Return the last heads (number, hash in hex) that signed reports of a directory name.

    Reports that `public` (default: beside them) has not signed are passed over.

    Raises:
        BadKeyFile, OSError: as `heads.read_file`.
    """
    key = key_file.public_key(public or directory / heads.PUBLIC)
    found: dict[UUID, set[tuple[int, str]]] = {}
    for path in directory.glob("erased-*.json"):
        try:
            told = orjson.loads(path.read_bytes())
            signature = base64.b64decode(told.pop("signature"), validate=True)
            tenant_id, last = UUID(told["tenant"]), (told["audit"]["seq"], told["audit"]["hash"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if key_file.is_signed(key, signature, orjson.dumps(told)):
            found.setdefault(tenant_id, set()).add(last)
    return found


async def _find(subdomain: str) -> queries.Found:
    async with begin_system(_JOB) as tx:
        found = await tx.one(queries.FIND, subdomain)
    if found is None:
        raise NotFound("No tenant has this subdomain: `chroniccare tenants list` shows them.")
    return found


async def _close(tenant_id: UUID, reason: str) -> None:
    """Have nobody in any more, unless a hold forbids the erasure."""
    async with begin(system(tenant_id, job=_JOB)) as tx:
        await _check_holds(tx)
        await tx.run(queries_keys.CLOSE_TENANT, tenant_id, tx.now)
        await _audit(tx, "close", reason)


async def _shred(tenant_id: UUID, reason: str) -> None:
    """Destroy the keys; a hold that was placed while the tenant was being closed opens it again."""
    refused = None
    async with begin(system(tenant_id, job=_JOB)) as tx:
        try:
            await _check_holds(tx)
        except LegalHold as error:
            refused = error
            await tx.run(queries.OPEN, tenant_id, tx.now)
            await _audit(tx, "open", reason)
        else:
            await _audit(tx, "erase", reason)
            await keys.shred(tx)
    if refused is not None:
        raise refused


async def _check_holds(tx: Tx) -> None:
    count = await tx.value(queries.HELD)
    if count:
        raise LegalHold(f"Legal holds on {count} patients forbid it; lift them first.")


async def _audit(tx: Tx, action: str, reason: str) -> None:
    tenant_id = tx.caller.tenant_id
    await record(
        tx, action=action, entity_type="tenant", entity_id=tenant_id, after={"reason": reason}
    )


async def _evidence(settings: Settings, tenant: queries.Found) -> tuple[Head | None, int]:
    """Seal and look through the audit, and export its last head; return it, and the faults.

    Of an erasure that is taken up, the audit may be gone: the head is the last that was exported.
    """
    path = Path(settings.audit_heads_dir) / heads.FILE
    if tenant.erased_at is not None:
        told = await asyncio.to_thread(heads.of_tenant, path, tenant.id)
        return (told[max(told)] if told else None), 0
    if not await sealing.seal(tenant.id):
        raise ErasureBusy("The worker is sealing the audit at this moment; repeat it.")
    found = await heads.export_one(settings, tenant.id)
    told = await asyncio.to_thread(heads.of_tenant, path, tenant.id)
    anchor = (await asyncio.to_thread(anchors.read, path.parent)).get(tenant.id)
    report = await verifying.verify(tenant.id, told, anchor)
    return found, report.wrong


async def _copied(settings: Settings, tenant_id: UUID) -> None:
    """Copy the audit to its end where copies are kept: the worker passes over erased tenants."""
    if not settings.audit_copy:
        return
    try:
        async with copying.opened(settings) as place:
            done = await copying.copy_to_the_end(place, tenant_id)
    except CopyError as error:
        raise ErasureBusy(f"The audit is not copied ({error.code}): mend it and repeat.") from None
    if not done:
        raise ErasureBusy("The worker is copying the audit at this moment; repeat it.")


async def _forget_devices(settings: Settings, tenant_id: UUID) -> None:
    """Have the push service forget every device, while their rows say which those are."""
    async with AsyncExitStack() as stack:
        left = await registering.forget_all(tenant_id, registrars.chosen(settings, stack))
    if left:
        raise ErasureBusy(f"The push service has not forgotten {left} devices yet; repeat it.")


def _apart_since(destroyed: list[queries_keys.TenantKey]) -> str | None:
    """Return since when backups do not open for this tenant: all its keys needed the store."""
    stored = [one.stored_at for one in destroyed if one.stored_at is not None]
    return max(stored).isoformat() if stored and len(stored) == len(destroyed) else None


def _told(head: Head | None, faults: int) -> dict[str, Any]:
    if head is None:
        return {"seq": 0, "hash": None, "faults": faults}
    return {"seq": head.seq, "hash": head.hash.hex(), "faults": faults}


async def _emptied(owner: Owner, tenant_id: UUID) -> dict[str, int]:
    """Remove every row, again until nothing is found; return how many of each table."""
    async with begin_system(_JOB) as tx:
        tables = {one.name: set(one.leads_to) for one in await tx.all(queries.TABLES)}
    leads_to = {name: to for name, to in tables.items() if name not in KEPT}
    rows = dict.fromkeys(leads_to, 0)
    for _ in range(_PASSES):
        before = sum(rows.values())
        for group in rules.order(leads_to):
            most = None if rules.is_circular(group, leads_to) else _BATCH
            while any(gone := await owner.fetchval(queries.REMOVE, group, tenant_id, most)):
                for name, count in zip(group, gone, strict=True):
                    rows[name] += count
        if sum(rows.values()) == before:
            return rows
    raise ErasureBusy("Something keeps writing rows of this tenant; stop the workers and repeat.")


async def _remove_exports(settings: Settings, tenant_id: UUID) -> None:
    """Remove the files of bulk exports, of which no row is left that a worker could go on with."""
    place = settings.fhir_export_dir
    try:
        if is_bucket(place):
            bucket = Bucket.at(place, settings)
            try:
                await bucket.remove(f"{tenant_id}/")
            finally:
                await bucket.close()
        elif place:
            await asyncio.to_thread(rmtree, Path(place) / str(tenant_id))
    except FileNotFoundError:
        return
    except (OSError, AwsError, Unavailable):
        raise ErasureBusy("Files of exports cannot be removed: mend it and repeat.") from None


def _write(settings: Settings, tenant_id: UUID, report: dict[str, Any], at: datetime) -> Path:
    """Write the report, signed as heads are: the signature is of the JSON without it."""
    key = heads.signer(settings)
    signature = base64.b64encode(key.sign(orjson.dumps(report))).decode()
    path = Path(settings.audit_heads_dir) / f"erased-{tenant_id}-{at:%Y%m%dT%H%M%SZ}.json"
    key_file.write_once(path, orjson.dumps({**report, "signature": signature}) + b"\n", 0o600)
    return path
