"""Prescriptions: written, changed, listed. What happens to them later stands in `lifecycle`."""

from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.audit.reads import note_read
from chroniccare.core import paging, wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.medications import queries, rules
from chroniccare.medications.adherence.alerts import reconsider
from chroniccare.medications.doses.planner import replan
from chroniccare.medications.dosing import abbreviations, reading, timing
from chroniccare.medications.fills.model import renew_key
from chroniccare.medications.interacting import allowed
from chroniccare.medications.interactions.service import Advice
from chroniccare.medications.schemas import MedicationChange, MedicationCreate, MedicationWrite
from chroniccare.patients import actions as patients
from chroniccare.platform.cache import Listing, cache
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tasks import actions as tasks
from chroniccare.webhooks.actions import EventType, emit

ENTITY = "medication"
ACTIVE_S = 600
_NOT_ASKED = Advice()


@dataclass(frozen=True, slots=True)
class Shown(queries.Medication):
    """A prescription as it is answered."""

    in_words: dict[str, str]
    warnings: list[abbreviations.Caution]
    interaction_check: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a body comes to."""

    told: reading.Instructions
    end: date | None


def active(tenant_id: UUID, patient_id: UUID) -> str:
    """Return the key of the generation of a patient's cached list of what is taken."""
    return f"patient:{tenant_id}:{patient_id}:medications:active"


def shown(found: queries.Medication, *, check: dict[str, Any] | None = None) -> Shown:
    """Return a prescription with its words and warnings, and what a change was checked for."""
    texts = [text for text in (found.sig, found.dosage, found.strength, found.frequency) if text]
    cautions = [
        caution for text in dict.fromkeys(texts) for caution in abbreviations.warnings(text)
    ]
    values = {one.name: getattr(found, one.name) for one in fields(queries.Medication)}
    words = reading.in_words(found.dosage_instructions)
    return Shown(**values, in_words=words, warnings=cautions, interaction_check=check)


async def create(
    tx: Tx, patient_id: UUID, body: MedicationCreate, *, advice: Advice = _NOT_ASKED
) -> Shown:
    """Write a prescription, plan its doses, audit it and emit `medication.created`.

    `advice` is what the external service said of the drug, if there is one.

    Raises:
        NotFound: no such patient.
        Unprocessable: days, instructions or prescriber are against a rule; the field is named.
        Contraindicated: something speaks against it, and `override` is not given.
        Forbidden: the caller may not set that aside.
    """
    # Locked, so that two drugs for one patient are checked one after the other.
    patient = await patients.get_locked(tx, patient_id)
    today = rules.today(tx.now, patient.time_zone)
    plan = _planned(body, starts_on=body.start_date, today=today)
    await _check_prescriber(tx, body.prescribing_provider_id)
    check, override = await allowed(tx, patient_id, body, advice=advice, without=None)
    medication_id = new_id()
    row = {**_document(body, plan), "id": medication_id, "patient_id": patient_id,
           "override": override, "status": body.status, "regimen_version": 1}  # fmt: skip
    await tx.run(queries.INSERT, row, tx.caller.tenant_id, tx.now)
    begins = max(tx.now, rules.begin_of(body.start_date, patient.time_zone))
    await _add_regimen(tx, medication_id, 1, plan, starts_on=body.start_date, effective_from=begins)
    made = await get(tx, medication_id)
    await tell(tx, "create", "medication.created", before=None, after=made)
    await replan(tx, [medication_id])
    return shown(made, check=check)


async def change(
    tx: Tx, medication: queries.Medication, body: MedicationChange, *, advice: Advice = _NOT_ASKED
) -> Shown:
    """Replace `medication`, which this transaction has locked.

    A change of how it is taken ends its regimen and starts the next, from now on or from when the
    body says; a change of the rest does not.

    Raises:
        StepRefused: it is stopped or completed.
        Unprocessable, Contraindicated, Forbidden: as for `create`.
    """
    if medication.status not in rules.OPEN_STATUSES:
        raise rules.StepRefused("change", medication.status)
    zone = await _zone(tx, medication)
    today = rules.today(tx.now, zone)
    newest = await tx.one(queries.NEWEST, medication.id)
    if newest is None:
        raise NotFound
    moved = body.start_date != medication.start_date
    if moved and medication.status != "draft" and medication.start_date <= today:
        raise Unprocessable.field("start_date", "has passed, so it stays", "fixed")
    starts_on = body.start_date if moved else newest.starts_on
    plan = _planned(body, starts_on=starts_on, today=today)
    is_new = moved or plan.told.dosages != newest.dosage_instructions
    begins = _begins(tx, body, zone, is_new=is_new)
    if is_new and not moved and rules.today(begins, zone) > starts_on:
        starts_on = rules.today(begins, zone)
        plan = _planned(body, starts_on=starts_on, today=today)
    if body.prescribing_provider_id != medication.prescribing_provider_id:
        await _check_prescriber(tx, body.prescribing_provider_id)
    check, override = await allowed(
        tx, medication.patient_id, body, advice=advice, without=medication,
        stands=medication.override,
    )  # fmt: skip
    version = medication.regimen_version + is_new
    row = {**_document(body, plan), "id": medication.id, "override": override,
           "regimen_version": version}  # fmt: skip
    if is_new:
        begins = max(begins, rules.begin_of(starts_on, zone))
        await tx.run(queries.END_REGIMENS, medication.id, tx.now if moved else begins)
        await _add_regimen(
            tx, medication.id, version, plan, starts_on=starts_on, effective_from=begins
        )
    elif plan.end != newest.ends_on:
        await tx.run(queries.MOVE_END, medication.id, plan.end)
    await tx.run(queries.UPDATE, row, tx.now)
    changed = await get(tx, medication.id)
    await tell(tx, "update", "medication.updated", before=medication, after=changed)
    await replan(tx, [medication.id])
    await reconsider(tx, [medication.id])
    if changed.refills_remaining:
        await tasks.close(tx, [renew_key(medication.id)], outcome="renewed")
    return shown(changed, check=check)


async def get(tx: Tx, medication_id: UUID) -> queries.Medication:
    """Return one prescription.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    found = await tx.one(queries.GET, medication_id)
    if found is None:
        raise NotFound("No such prescription.")
    return found


async def get_locked(tx: Tx, medication_id: UUID) -> queries.Medication:
    """Return one prescription and lock its patient's row, then its own; see `get`.

    Raises:
        NotFound: none with this id in the caller's tenant, or its patient was removed.
    """
    seen = await get(tx, medication_id)
    await patients.get_locked(tx, seen.patient_id)
    found = await tx.one(queries.GET_FOR_UPDATE, medication_id)
    if found is None:
        raise NotFound("No such prescription.")
    return found


async def read(caller: Caller, medication_id: UUID) -> Shown:
    """Return one prescription as it is answered; the read is audited first.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    async with begin(caller) as tx:
        found = await get(tx, medication_id)
    await note_read(caller, entity_type=ENTITY, seen=[medication_id])
    return shown(found)


async def listed(
    caller: Caller, patient_id: UUID, *, status: str | None, cursor: str | None, limit: int
) -> bytes:
    """Return one page of a patient's prescriptions, the newest first; what was seen is audited.

    Raises:
        NotFound: no such patient.
    """

    async def load() -> Listing:
        async with begin(caller) as tx:
            if not await tx.value(queries.PATIENT, patient_id):
                raise NotFound("No such patient.")
            filters = [patient_id, status]
            after = paging.decode(cursor, "medications", filters, [UUID]) or [None]
            rows = await tx.all(queries.LIST, *filters, *after, limit + 1)
        page = paging.page(
            rows, limit, listing="medications", filters=filters, key=lambda row: [row.id]
        )
        items = [shown(row) for row in page.items]
        seen = [str(item.id) for item in items]
        return Listing(seen, wire.dumps(paging.Page(items, page.next_cursor)))

    if status == "active":
        name = active(caller.tenant_id, patient_id)
        found = await cache().listed(name, [cursor, limit], ACTIVE_S, load)
    else:
        found = await load()
    await note_read(caller, entity_type=ENTITY, seen=found.seen, action="list")
    return found.data


async def regimens(
    caller: Caller, medication_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[dict[str, Any]]:
    """Return one page of how a prescription was and is taken, the newest first; audited.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    async with begin(caller) as tx:
        await get(tx, medication_id)
        after = paging.decode(cursor, "regimens", [medication_id], [_version]) or [None]
        rows = await tx.all(queries.REGIMENS, medication_id, *after, limit + 1)
    page = paging.page(
        rows, limit, listing="regimens", filters=[medication_id], key=lambda row: [row.version]
    )
    await note_read(caller, entity_type=ENTITY, seen=[medication_id], action="read_regimens")
    items = [
        {**asdict(row), "in_words": reading.in_words(row.dosage_instructions)} for row in page.items
    ]
    return paging.Page(items, page.next_cursor)


async def tell(
    tx: Tx, action: str, event: EventType, *, before: queries.Medication | None,
    after: queries.Medication,
) -> None:  # fmt: skip
    """Audit a change, emit its event, and name what it makes stale."""
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=after.id, before=before, after=after
    )
    await emit(
        tx, event, entity_type=ENTITY, entity_id=after.id,
        payload={"version": after.version, "status": after.status},
    )  # fmt: skip
    tx.bump(active(tx.caller.tenant_id, after.patient_id))


def _version(part: Any) -> int:
    """Return a version from a cursor; ValueError for a number that no column can hold."""
    if not isinstance(part, int) or not 0 < part < 2**31:
        raise ValueError("version")
    return part


def _planned(body: MedicationWrite, *, starts_on: date, today: date) -> _Plan:
    """Return how a body says that it is taken, and its last day."""
    told = reading.read(
        reading.Told(body.dosage_instructions, body.sig, body.dosage, body.frequency, body.route),
        starts_on=starts_on,
    )
    told_end = rules.end_of(starts_on, timing.length(told.steps))
    faults = rules.day_faults(
        start=body.start_date, end=body.end_date, is_ongoing=body.is_ongoing, told_end=told_end,
        today=today,
    )  # fmt: skip
    if faults:
        raise Unprocessable(details=faults)
    return _Plan(told, body.end_date or told_end)


async def _check_prescriber(tx: Tx, provider_id: UUID) -> None:
    found = await tx.one(queries.PRESCRIBER, provider_id)
    if found is None:
        raise Unprocessable.field("prescribing_provider_id", "no such provider", "unknown")
    if not found.is_active:
        raise Unprocessable.field("prescribing_provider_id", "is not active", "inactive")


def _begins(tx: Tx, body: MedicationChange, zone: str, *, is_new: bool) -> datetime:
    """Return from when on a change of how it is taken holds."""
    at, on = body.effective_at, body.effective_on
    if at is None and on is None:
        return tx.now
    field = "effective_on" if at is None else "effective_at"
    faults = []
    if at is not None and on is not None:
        faults.append(FieldError("effective_on", "give one of the two", "choice"))
    if not is_new:
        faults.append(FieldError(field, "nothing changes in how it is taken", "unchanged"))
    if on is not None:
        at = rules.begin_of(on, zone)
    begins = at or tx.now
    if begins < tx.now or begins > tx.now + rules.LATEST_START:
        faults.append(FieldError(field, "must lie within the next two years", "range"))
    elif body.end_date is not None and rules.today(begins, zone) > body.end_date:
        faults.append(FieldError(field, "is after end_date", "order"))
    if faults:
        raise Unprocessable(details=faults)
    return begins


async def _zone(tx: Tx, medication: queries.Medication) -> str:
    return str(await tx.value(queries.ZONE, medication.patient_id))


def _document(body: MedicationWrite, plan: _Plan) -> dict[str, Any]:
    """Return a body as the columns it is written to."""
    left_out = {"dosage_instructions", "override", "status", "effective_at", "effective_on"}
    told = plan.told
    return {
        **body.model_dump(mode="json", exclude=left_out),
        "dosage": told.dosage,
        "frequency": told.frequency,
        "route": told.route,
        "end_date": plan.end,
        "as_needed": all(step.as_needed for step in told.steps),
    }


async def _add_regimen(
    tx: Tx, medication_id: UUID, version: int, plan: _Plan, *, starts_on: date,
    effective_from: datetime,
) -> None:  # fmt: skip
    await tx.run(
        queries.ADD_REGIMEN, tx.caller.tenant_id, medication_id, version, plan.told.dosages,
        starts_on, plan.end, effective_from, tx.now,
    )  # fmt: skip
