"""Loads the demo clinic through the slices' own actions, once."""

import random
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chroniccare.audit.actions import tenant_created
from chroniccare.core.caller import system
from chroniccare.demo import clinic, diary, rules
from chroniccare.demo.patients import Enrolled, patients
from chroniccare.demo.prescriptions import PATIENTS, prescriptions
from chroniccare.facilities import actions as facilities
from chroniccare.medications import actions as medications
from chroniccare.patients import actions as people
from chroniccare.patients.schemas import AssignmentWrite
from chroniccare.platform.postgres import Tx, begin
from chroniccare.providers import actions as providers
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling.availability import actions as availability
from chroniccare.scheduling.queries import LOCK
from chroniccare.scheduling.rules import lock_keys
from chroniccare.scheduling.schemas import AppointmentWrite
from chroniccare.tenancy import actions as tenancy

_SEED = 7
_DAYS = 15  # a fortnight from tomorrow on
_BOOKED_SHARE = 0.3
_NOT_BEFORE = timedelta(hours=4)
_REASONS = {
    "follow_up": ("Quarterly check", "Medication review", "Blood pressure review", None),
    "lab_review": ("Discuss laboratory results", "HbA1c result", "Lipid panel result"),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load added; all zero when the clinic was there already."""

    tenant_id: UUID
    facilities: int
    providers: int
    patients: int
    visits: int


async def find() -> UUID | None:
    """Return the demo clinic's tenant; None before the first load."""
    found = await tenancy.list_tenants()
    return next((tenant.id for tenant in found if tenant.subdomain == clinic.SUBDOMAIN), None)


async def load() -> Loaded:
    """Load the demo clinic, or what a load that was cut short left out.

    People are one transaction and visits another, so there is never half of either.
    """
    tenant_id = await find()
    if tenant_id is None:
        tenant_id = await tenancy.create_tenant(
            name=clinic.NAME, subdomain=clinic.SUBDOMAIN, also=tenant_created
        )
    caller = system(tenant_id, job="demo")
    async with begin(caller) as tx:
        await _alone(tx)
        known = await diary.facility_zones(tx, is_active=None)
        counts = (0, 0, 0) if known else await _load_people(tx)
    async with begin(caller) as tx:
        await _alone(tx)
        visits = await _load_visits(tx)
    return Loaded(tenant_id, *counts, visits)


async def _alone(tx: Tx) -> None:
    """Let no other process load in the meantime."""
    tenant_id = tx.caller.tenant_id
    await tx.values(LOCK, lock_keys(tenant_id, [tenant_id]))


async def _load_people(tx: Tx) -> tuple[int, int, int]:
    facility_ids = [(await facilities.create(tx, body)).id for body in clinic.facilities()]
    provider_ids = []
    for person, body in zip(clinic.PEOPLE, clinic.providers(facility_ids), strict=True):
        provider = await providers.create(tx, body)
        await availability.set_availability(tx, provider, clinic.week(person, facility_ids))
        provider_ids.append(provider.id)
    enrolled = patients()
    for number, patient in enumerate(enrolled):
        await _enrol(tx, patient, provider_ids, takes=number < PATIENTS)
    return len(facility_ids), len(provider_ids), len(enrolled)


async def _enrol(tx: Tx, patient: Enrolled, provider_ids: list[UUID], *, takes: bool) -> None:
    made = await people.create(tx, patient.body)
    assignment = AssignmentWrite(
        provider_id=provider_ids[patient.provider], relationship_type="primary", is_primary=True
    )
    await people.assign(tx, made.id, assignment)
    if takes:
        provider_id = provider_ids[patient.provider]
        for body in prescriptions(made.icd10_codes, provider_id=provider_id, start=tx.now.date()):
            await medications.create(tx, made.id, body)


async def _load_visits(tx: Tx) -> int:
    """Book visits over the next fortnight, unless some are booked already."""
    taken = await diary.taken(tx)
    if taken.taken:
        return 0
    choose = random.Random(_SEED)  # noqa: S311  a diary, not a secret
    # Who is on call around the clock is kept free for what is booked to be seen.
    hours = [rule for rule in await diary.hours(tx) if not rules.is_on_call(rule)]
    panels = {
        provider_id: await diary.panel(tx, provider_id)
        for provider_id in {rule.provider_id for rule in hours}
    }
    booked = 0
    for slot in rules.slots(hours, tx.now.date(), _DAYS):
        wanted = choose.random() < _BOOKED_SHARE and slot.start >= tx.now + _NOT_BEFORE
        if not wanted or not panels[slot.provider_id]:
            continue
        patient = choose.choice(panels[slot.provider_id])
        if taken.fits(slot, patient.id):
            await scheduling.book(tx, _visit(slot, patient.id, choose))
            taken.book(slot, patient.id)
            booked += 1
    return booked


def _visit(slot: rules.Slot, patient_id: UUID, choose: random.Random) -> AppointmentWrite:
    kind = choose.choice(tuple(_REASONS))
    return AppointmentWrite(
        patient_id=patient_id,
        provider_id=slot.provider_id,
        facility_id=slot.facility_id,
        appointment_type=kind,
        scheduled_start=slot.start,
        duration_minutes=clinic.DURATIONS[kind],
        reason=choose.choice(_REASONS[kind]),
    )
