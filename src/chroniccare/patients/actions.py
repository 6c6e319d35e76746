"""Patients: register, change, remove, find, and who cares for them."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.audit.reads import note_read
from chroniccare.codes import actions as codes
from chroniccare.core import paging, wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.text import prefix_range
from chroniccare.patients import queries, rules
from chroniccare.patients.schemas import AssignmentWrite, PatientWrite
from chroniccare.platform.cache import Listing, Rendered, cache
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tenancy import addresses
from chroniccare.webhooks.actions import emit

CACHED_S = 300
LISTED_S = 120
_OLDEST_YEARS = 130


class MrnTaken(Conflict):
    """Another patient of this clinic has the medical record number."""

    code = "MRN_TAKEN"
    message = "Another patient has this MRN."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("mrn", "is another patient's", "taken")])


class InUse(Conflict):
    """Visits of the patient are still to come."""

    code = "PATIENT_IN_USE"
    message = "Cancel the patient's visits that are still to come."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("appointments", "are still to come", "in_use")])


@dataclass(frozen=True, slots=True)
class Written(queries.Patient):
    """A patient as a write answers it: what was written, and which codes to look at twice."""

    warnings: list[dict[str, str]]


def written(patient: queries.Patient) -> Written:
    """Return a patient with what speaks against its codes, which refuses nothing."""
    values = {one.name: getattr(patient, one.name) for one in fields(queries.Patient)}
    return Written(**values, warnings=codes.doubts(patient.icd10_codes))


def key(tenant_id: UUID, patient_id: UUID) -> str:
    """Return the cache key of one patient."""
    return f"patient:{tenant_id}:{patient_id}"


def held_key(tenant_id: UUID, patient_id: UUID) -> str:
    """Return the key of what FHIR tells of one patient: also of the primary provider."""
    return f"{key(tenant_id, patient_id)}:fhir"


def keys(tenant_id: UUID, patient_id: UUID) -> tuple[str, str]:
    """Return the keys of everything that a change of one patient makes stale."""
    return key(tenant_id, patient_id), held_key(tenant_id, patient_id)


def lists(tenant_id: UUID) -> str:
    """Return the key of the generation of cached patient lists."""
    return f"patients:{tenant_id}:list"


async def create(tx: Tx, body: PatientWrite) -> queries.Patient:
    """Register a patient.

    Raises:
        MrnTaken: another patient has the MRN.
        Unprocessable: the birth date lies in the future or too far back.
    """
    made = await tx.one(queries.INSERT, *await ready(tx, body))
    return await told(tx, made)


async def ready(tx: Tx, body: PatientWrite) -> list[Any]:
    """Return the arguments of `queries.INSERT` for a new patient. Raises Unprocessable as above."""
    _check_birth(tx, body)
    document = await _document(tx, new_id(), body)
    points = await addresses.points(tx, body.contact_info)
    return [document, tx.caller.tenant_id, tx.now, points, *_names(body)]


async def told(tx: Tx, patient: queries.Patient | None) -> queries.Patient:
    """Audit and tell that a patient was registered; None: somebody has the MRN.

    Raises:
        MrnTaken: as it says.
    """
    if patient is None:
        raise MrnTaken
    await _tell(tx, "create", patient, before=None)
    await emit(tx, "patient.created", entity_type="patient", entity_id=patient.id)
    return patient


async def update(tx: Tx, patient: queries.Patient, body: PatientWrite) -> queries.Patient:
    """Replace `patient`, which this transaction has locked, by `body`.

    Raises:
        MrnTaken: another patient has the MRN.
        Unprocessable: the birth date lies in the future or too far back.
    """
    # What the caller does not see, they cannot have meant to change.
    kept = {
        one: getattr(patient, one) for one in tx.caller.hidden & PatientWrite.model_fields.keys()
    }
    body = body.model_copy(update=kept) if kept else body
    _check_birth(tx, body)
    if body.mrn != patient.mrn and await tx.value(queries.MRN_TAKEN, body.mrn, patient.id):
        raise MrnTaken
    await tx.run(queries.UPDATE, await _document(tx, patient.id, body), tx.now)
    await tx.run(queries.DELETE_NAMES, patient.id)
    await _write_parts(tx, patient.id, body)
    changed = await get(tx, patient.id)
    await _tell(tx, "update", changed, before=patient)
    await emit(
        tx, "patient.updated", entity_type="patient", entity_id=patient.id,
        payload={"version": changed.version},
    )  # fmt: skip
    return changed


async def delete(tx: Tx, patient: queries.Patient) -> None:
    """Remove `patient` softly: nobody finds it any more, and its MRN is free again.

    Raises:
        InUse: visits are still to come.
    """
    if await tx.value(queries.HAS_VISITS, patient.id, tx.now):
        raise InUse
    await tx.run(queries.DELETE, patient.id, tx.now)
    await tx.run(queries.DELETE_NAMES, patient.id)
    await _tell(tx, "delete", patient, before=patient, after=None)
    tx.bump(key(tx.caller.tenant_id, patient.id) + ":appointments")
    await emit(
        tx, "patient.updated", entity_type="patient", entity_id=patient.id,
        payload={"version": patient.version + 1, "deleted": True},
    )  # fmt: skip


async def get(tx: Tx, patient_id: UUID) -> queries.Patient:
    """Return one patient.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    patient = await tx.one(queries.GET, patient_id)
    if patient is None:
        raise NotFound("No such patient.")
    return patient


async def get_locked(tx: Tx, patient_id: UUID) -> queries.Patient:
    """Return one patient and lock its row; see `get`."""
    patient = await tx.one(queries.GET_FOR_UPDATE, patient_id)
    if patient is None:
        raise NotFound("No such patient.")
    return patient


async def rendered(caller: Caller, patient_id: UUID) -> Rendered:
    """Return one patient as bytes, from the cache where it can be had; the read is audited.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """

    async def load() -> Rendered:
        async with begin(caller) as tx:
            patient = await get(tx, patient_id)
        return Rendered(patient.version, wire.dumps(patient))

    found = await cache().through(key(caller.tenant_id, patient_id), CACHED_S, load)
    await note_read(caller, entity_type="patient", seen=[patient_id])
    return found


async def search(
    tx: Tx,
    *,
    filters: list[Any],
    name: str | None,
    cursor: str | None,
    limit: int,
) -> paging.Page[queries.Patient]:
    """Return one page of patients by last name, first name and id.

    `filters` are MRN, birth date, treatment status, primary provider and ids, each or None. Every
    word of `name` must begin a word of the patient's name; when nobody matches so, one typing
    error a word is forgiven.
    """
    after = paging.decode(cursor, "patients", [*filters, name], [str, str, UUID, str])
    mode = after.pop() if after else None
    arguments = [*filters, *(after or [None, None, None]), limit + 1]
    words = rules.fold(name) if name is not None else []
    await tx.plan_afresh()
    if name is not None and not words:
        rows: list[queries.Patient] = []
    elif not words:
        rows = await tx.all(queries.LIST, *arguments)
    else:
        mode, rows = await _search_by_name(tx, words, arguments, mode)
    return paging.page(
        rows, limit, listing="patients", filters=[*filters, name],
        key=lambda row: [row.last_name, row.first_name, row.id, mode or ""],
    )  # fmt: skip


async def listed(
    caller: Caller, *, filters: list[Any], name: str | None, cursor: str | None, limit: int
) -> bytes:
    """Return one page of `search` as bytes, cached or not; who was seen is audited first."""

    async def load() -> Listing:
        async with begin(caller) as tx:
            found = await search(tx, filters=filters, name=name, cursor=cursor, limit=limit)
        return Listing([str(patient.id) for patient in found.items], wire.dumps(found))

    what = [*filters, name, cursor, limit]
    found = await cache().listed(lists(caller.tenant_id), what, LISTED_S, load)
    await note_read(caller, entity_type="patient", seen=found.seen, action="list")
    return found.data


async def _search_by_name(
    tx: Tx, words: list[str], arguments: list[Any], mode: str | None
) -> tuple[str, list[queries.Patient]]:
    """Return how the words were matched and the rows; later pages keep the first page's way."""
    if mode != "typo":
        lows, highs = zip(*map(prefix_range, words), strict=True)
        rows = await tx.all(queries.LIST_BY_PREFIX, *arguments, list(lows), list(highs))
        if rows or mode is not None:
            return "prefix", rows
    pairs = [(typo, number) for number, word in enumerate(words) for typo in rules.typos(word)]
    typos, numbers = [typo for typo, _ in pairs], [number for _, number in pairs]
    return "typo", await tx.all(queries.LIST_BY_TYPO, *arguments, typos, numbers, len(words))


async def assignments(
    tx: Tx, patient_id: UUID, *, include_ended: bool, cursor: str | None, limit: int
) -> paging.Page[queries.Assignment]:
    """Return one page of who cares for a patient, the oldest assignment first.

    Raises:
        NotFound: no such patient.
    """
    await get(tx, patient_id)
    filters = [patient_id, include_ended]
    after = paging.decode(cursor, "assignments", filters, [datetime.fromisoformat, UUID])
    rows = await tx.all(queries.LIST_ASSIGNMENTS, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing="assignments", filters=filters,
        key=lambda row: [row.assigned_at, row.id],
    )  # fmt: skip


async def assign(tx: Tx, patient_id: UUID, body: AssignmentWrite) -> queries.Assignment:
    """Assign a provider to a patient; a new primary provider takes over from the old one.

    Raises:
        NotFound: no such patient.
        Unprocessable: no such provider.
    """
    await get_locked(tx, patient_id)
    if not await tx.value(queries.PROVIDER_EXISTS, body.provider_id):
        raise Unprocessable.field("provider_id", "no such provider", "unknown")
    before = await tx.all(queries.CURRENT_ASSIGNMENTS, patient_id)
    if body.is_primary:
        await tx.run(queries.END_PRIMARY, patient_id)
    made = await tx.one(
        queries.INSERT_ASSIGNMENT, new_id(), tx.caller.tenant_id, patient_id, body.provider_id,
        body.relationship_type, body.is_primary, tx.now,
    )  # fmt: skip
    if made is None:
        raise NotFound
    await _tell_assignments(tx, "assign", patient_id, before)
    return made


async def unassign(tx: Tx, patient_id: UUID, provider_id: UUID) -> None:
    """End a provider's assignment to a patient.

    Raises:
        NotFound: no such patient, or the provider is not assigned.
    """
    await get_locked(tx, patient_id)
    before = await tx.all(queries.CURRENT_ASSIGNMENTS, patient_id)
    ended = await tx.one(queries.END_ASSIGNMENT, patient_id, provider_id, tx.now)
    if ended is None:
        raise NotFound("This provider is not assigned to this patient.")
    await _tell_assignments(tx, "unassign", patient_id, before)


async def _tell_assignments(
    tx: Tx, action: str, patient_id: UUID, before: list[queries.Assignment]
) -> None:
    """Audit who cared for the patient and who does now."""
    after = await tx.all(queries.CURRENT_ASSIGNMENTS, patient_id)
    await record(
        tx, action=action, entity_type="patient", entity_id=patient_id,
        before={"providers": before}, after={"providers": after},
    )  # fmt: skip
    tx.drop(held_key(tx.caller.tenant_id, patient_id))
    tx.bump(lists(tx.caller.tenant_id))


def _check_birth(tx: Tx, body: PatientWrite) -> None:
    # A day's grace: it may be tomorrow already where the patient lives.
    if (body.date_of_birth - tx.now.date()).days > 1:
        raise Unprocessable.field("date_of_birth", "must not be in the future", "future")
    if tx.now.year - body.date_of_birth.year > _OLDEST_YEARS:
        raise Unprocessable.field("date_of_birth", "is more than 130 years ago", "past")


async def _document(tx: Tx, patient_id: UUID, body: PatientWrite) -> dict[str, Any]:
    """Return the row, sealed where it must be."""
    document = body.model_dump(mode="json", exclude={"contact_info": {"telecom"}})
    keys = await tx.keyring()
    contact_info = document["contact_info"]
    document["contact_info"] = keys.sealed_address(queries.CONTACT, patient_id, contact_info)
    for column in (queries.EMERGENCY, queries.INSURANCE):
        name = column.name.partition(".")[2]
        document[name] = keys.sealed(column, patient_id, document[name])
    return {"id": str(patient_id), **document}


async def _write_parts(tx: Tx, patient_id: UUID, body: PatientWrite) -> None:
    points = await addresses.points(tx, body.contact_info)
    await tx.run(queries.REPLACE_CONTACT_POINTS, points, tx.caller.tenant_id, patient_id, tx.now)
    await tx.run(queries.INSERT_NAMES, tx.caller.tenant_id, patient_id, *_names(body))


def _names(body: PatientWrite) -> tuple[list[str], list[str]]:
    """Return what the patient is found by, as kinds and tokens."""
    rows = rules.tokens(body.first_name, body.last_name)
    return [kind for kind, _ in rows], [token for _, token in rows]


_SAME: Any = object()


async def _tell(
    tx: Tx, action: str, patient: queries.Patient, *, before: Any, after: Any = _SAME
) -> None:
    """Audit a change and name what it makes stale."""
    await record(
        tx, action=action, entity_type="patient", entity_id=patient.id, before=before,
        after=patient if after is _SAME else after,
    )  # fmt: skip
    if before is not None:  # nobody can have cached a record that is new
        tx.drop(*keys(tx.caller.tenant_id, patient.id))
    tx.bump(lists(tx.caller.tenant_id))
