"""Writes of stored resources: what they refer to is there, they are indexed, audited and told."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from chroniccare.audit.actions import record
from chroniccare.core.errors import FieldError, Invalid, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.time import zone
from chroniccare.core.wire import dumps
from chroniccare.fhir import outcome
from chroniccare.fhir.kind import Check, Kind, Planned, Resource
from chroniccare.fhir.parameters import uuids
from chroniccare.fhir.queries import ZONES
from chroniccare.fhir.stored import composing, indexing, queries
from chroniccare.fhir.stored.parameters import blind
from chroniccare.fhir.stored.table import MAY_NAME_MANY, patient_path
from chroniccare.patients import queries_records as records
from chroniccare.platform.gathering import once
from chroniccare.platform.postgres import Tx
from chroniccare.settings import address
from chroniccare.webhooks.actions import emit

_NOTHING: frozenset[str] = frozenset()
_READ = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A resource as it is written: its text, sealed later, and what it is found by."""

    patient_id: UUID | None
    text: str
    rows: list[dict[str, Any]]
    happened: Any


async def create(
    tx: Tx, kinds: Mapping[str, Kind], said: Resource, planned: Planned | None = None
) -> UUID:
    """Store a resource and return its id, which may be planned.

    Raises:
        Unprocessable: it refers to a record that is not there, or does not say whose it is.
    """
    ready = await _ready(tx, kinds, said, planned.coming if planned else _NOTHING)
    name, record_id = said["resourceType"], (planned and planned.id) or new_id()
    if ready.patient_id and await tx.value(queries.KEEP, ready.patient_id) is None:
        raise Unprocessable.field(_whose_field(name), "is of a patient who is gone", "not-found")
    sealed = (await tx.keyring()).sealed(records.RESOURCE, record_id, ready.text)
    await tx.run(
        queries.INSERT, record_id, tx.caller.tenant_id, ready.patient_id, name, sealed,
        ready.happened, tx.now, ready.rows,
    )  # fmt: skip
    await _told(tx, "create", name, record_id, version=1, patient_id=ready.patient_id)
    return record_id


async def update(
    tx: Tx, kinds: Mapping[str, Kind], record_id: UUID, said: Resource, check: Check
) -> bool:
    """Replace a resource; a trigger keeps what it was.

    What it named before may be gone by now: it can be corrected all the same.

    Raises:
        NotFound: there is none.
        Unprocessable: as when it is created, or it is a patient's and would not stay theirs.
    """
    name = said["resourceType"]
    held = await _locked(tx, name, record_id)
    check(held.version)
    base = address(tx.settings) + outcome.BASE
    before = {one["reference"] for one in indexing.references(_READ.decode(held.resource))}
    known = {f"{led[0]}/{led[1].lower()}" for one in before if (led := indexing.target(one, base))}
    ready = await _ready(tx, kinds, said, known)
    if held.patient_id not in {None, ready.patient_id}:
        raise Unprocessable.field(_whose_field(name), "cannot become another's")
    sealed = (await tx.keyring()).sealed(records.RESOURCE, record_id, ready.text)
    await tx.run(
        queries.UPDATE, record_id, tx.caller.tenant_id, ready.patient_id, sealed, ready.happened,
        tx.now, ready.rows,
    )  # fmt: skip
    version, patient_id = held.version + 1, ready.patient_id
    await _told(tx, "update", name, record_id, version=version, patient_id=patient_id)
    return False


async def delete(tx: Tx, name: str, record_id: UUID, check: Check) -> None:
    """Remove a resource; its earlier versions stay until its patient is erased.

    Raises:
        NotFound: there is none.
    """
    held = await _locked(tx, name, record_id)
    check(held.version)
    await tx.run(queries.REMOVE, record_id, tx.now)
    await _told(tx, "delete", name, record_id, version=held.version + 1, patient_id=held.patient_id)


async def _locked(tx: Tx, name: str, record_id: UUID) -> queries.Held:
    held = await tx.one(queries.LOCKED, record_id, name)
    if held is None:  # removed since it was looked for
        raise NotFound
    return held


async def _told(
    tx: Tx, action: str, name: str, record_id: UUID, *, version: int, patient_id: UUID | None
) -> None:
    """Write audit and event; what was there before and after is among the versions."""
    after = {"version": version, "patient_id": patient_id}
    await record(tx, action=action, entity_type=name, entity_id=record_id, after=after)
    payload = {"version": version, "type": name}
    if action == "create":
        await emit(tx, "record.created", entity_type=name, entity_id=record_id, payload=payload)
    elif action == "update":
        await emit(tx, "record.updated", entity_type=name, entity_id=record_id, payload=payload)
    else:
        await emit(tx, "record.removed", entity_type=name, entity_id=record_id, payload=payload)


async def _ready(
    tx: Tx, kinds: Mapping[str, Kind], said: Resource, coming: Collection[str] = _NOTHING
) -> _Ready:
    base = address(tx.settings) + outcome.BASE
    patient_id = await _referred(tx, kinds, said, base, coming)
    zones = await once(tx, ZONES)
    place = indexing.Place(base, zone(zones[0] if zones else "UTC"), blind(await tx.keyring()))
    rows = indexing.index(said, place)
    text = dumps(indexing.kept(said, whose=_whose(said), base=base)).decode()
    return _Ready(patient_id, text, rows, indexing.happened(said["resourceType"], rows))


def _whose(said: Resource) -> Resource | None:
    path = patient_path(said["resourceType"])
    return None if path is None else said.get(path[0])


def _whose_field(name: str) -> str:
    path = patient_path(name)
    return name if path is None else f"{name}.{path[0]}"


async def _referred(
    tx: Tx, kinds: Mapping[str, Kind], said: Resource, base: str, coming: Collection[str]
) -> UUID | None:
    """Check that everything that a resource refers to is there, or coming; return whose it is.

    `coming` need not be looked for: made later in this transaction, or named before.

    Raises:
        Unprocessable: each record that is not, or another clinic's.
        Invalid: a reference is a search, outside of a transaction.
    """
    name = said["resourceType"]
    texts = {one["reference"] for one in indexing.references(said)}
    if any("?" in text and not text.startswith("http") for text in texts):
        raise Invalid.field(name, "refers to a search, which a transaction alone may", "value")
    led = {text: found for text in texts if (found := indexing.target(text, base)) is not None}
    await check_there(tx, kinds, name, led.values(), coming)
    own = _whose(said)
    found = indexing.target(own.get("reference", ""), base) if own else None
    if found is not None and found[0] == "Patient":
        return UUID(found[1])
    names_one = any(kind == "Patient" for kind, _ in led.values())
    if names_one and patient_path(name) and name not in MAY_NAME_MANY:
        raise Unprocessable.field(_whose_field(name), "must say whose it is")
    return None


async def check_there(
    tx: Tx, kinds: Mapping[str, Kind], name: str, led: Collection[tuple[str, str]],
    coming: Collection[str],
) -> None:  # fmt: skip
    """Check that each record, by type and id, is there, or coming; `name` refers to it.

    Raises:
        Unprocessable: each record that is not, or another clinic's.
    """
    wanted: dict[str, list[UUID]] = {}
    for kind, text in led:
        if kind in kinds and f"{kind}/{text}" not in coming:
            wanted.setdefault(kind, []).extend(uuids([text]))
    there = set(await tx.values(composing.there(kinds, wanted), *wanted.values())) if wanted else ()
    missing = [
        FieldError(name, f"refers to a {kind} that is not there", "not-found")
        for kind, text in sorted(led)
        if (one := f"{kind}/{text.lower()}") not in there and one not in coming
    ]
    if missing:
        raise Unprocessable(details=missing)


def resource_of(name: str, record_id: UUID, version: int, updated_at: Any, text: str) -> Resource:
    """Return a version as a resource; each decimal has the digits that were written."""
    kept: Resource = _READ.decode(text)
    meta = {**kept.pop("meta", {}), "versionId": str(version), "lastUpdated": updated_at}
    return {"resourceType": name, "id": str(record_id), "meta": meta, **kept}
