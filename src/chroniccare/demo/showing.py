"""What there is to see: visits whose reminders fall due within a minute, and one to book."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.time import to_local, zone
from chroniccare.demo import clinic, diary, rules
from chroniccare.patients.queries import Patient
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling.schemas import AppointmentWrite, Override

# A reminder goes out so long before a visit; one that starts that long after the next full minute
# has one due then.
_SOON = (timedelta(hours=2), timedelta(hours=24), timedelta(hours=72))
_KIND = "telehealth_check"
_LENGTH = timedelta(minutes=clinic.DURATIONS[_KIND])
_TEN_OCLOCK = 10
_BY_NIGHT = Override(
    allow=["outside_availability"], reason="A call by video needs no open facility."
)


async def book_soon(tenant_id: UUID) -> int:
    """Book visits whose reminders fall due within the next minute; return how many.

    They are calls with a provider who is on call around the clock, by patients for whom it is day
    now wherever they live: reminders wait for the end of the night.
    """
    async with begin(system(tenant_id, job="demo")) as tx:
        hours = [rule for rule in await diary.hours(tx) if rules.is_on_call(rule)]
        taken = await diary.taken(tx, tx.now)
        awake = [
            patient
            for patient in await diary.panel(tx, None)
            if rules.is_awake(zone(patient.time_zone), tx.now)
        ]
        booked = 0
        next_minute = tx.now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        for offset in _SOON:
            booked += await _book_one(tx, hours, taken, awake, next_minute + offset)
    return booked


async def _book_one(
    tx: Tx, hours: list[rules.Hours], taken: rules.Diary, patients: list[Patient], start: datetime
) -> int:
    places = {rule.provider_id: rule.facility_id for rule in hours}
    for provider_id, facility_id in places.items():
        slot = rules.Slot(provider_id, facility_id, start, start + _LENGTH)
        # Whoever has no visit to come: so each message goes to another patient.
        for patient in patients:
            if patient.id not in taken.taken and taken.fits(slot, patient.id):
                visit = _visit(slot, patient.id, _KIND, "Telehealth check")
                await scheduling.book(tx, visit.model_copy(update={"override": _BY_NIGHT}))
                taken.book(slot, patient.id)
                return 1
    return 0


async def visit_tomorrow(tenant_id: UUID) -> dict[str, Any] | None:
    """Return the body of a visit that can be booked for tomorrow; None when nothing is free."""
    async with begin(system(tenant_id, job="demo")) as tx:
        hours = [rule for rule in await diary.hours(tx) if not rules.is_on_call(rule)]
        taken = await diary.taken(tx, tx.now)
        panels: dict[UUID, list[Patient]] = {}
        for slot in _tomorrow(hours, tx.now):
            if slot.provider_id not in panels:
                panels[slot.provider_id] = await diary.panel(tx, slot.provider_id)
            for patient in panels[slot.provider_id]:
                if taken.fits(slot, patient.id):
                    return _shown(_visit(slot, patient.id, "follow_up", "Quarterly check"), hours)
    return None


def _tomorrow(hours: list[rules.Hours], now: datetime) -> list[rules.Slot]:
    """Return tomorrow's slots on the facility's calendar, those after ten o'clock first."""
    found = []
    for rule in hours:
        today = to_local(now, rule.zone).date()
        for slot in rules.slots([rule], today + timedelta(days=1), 1):
            early = to_local(slot.start, rule.zone).hour < _TEN_OCLOCK
            found.append((early, slot.start, slot.provider_id, slot))
    return [slot for *_, slot in sorted(found, key=lambda item: item[:3])]


def _visit(slot: rules.Slot, patient_id: UUID, kind: str, reason: str) -> AppointmentWrite:
    return AppointmentWrite(
        patient_id=patient_id,
        provider_id=slot.provider_id,
        facility_id=slot.facility_id,
        appointment_type=kind,
        scheduled_start=slot.start,
        duration_minutes=clinic.DURATIONS[kind],
        reason=reason,
    )


def _shown(visit: AppointmentWrite, hours: list[rules.Hours]) -> dict[str, Any]:
    """Return the body as a person would write it, in the facility's time."""
    body = visit.model_dump(mode="json", exclude_unset=True)
    local = next(rule.zone for rule in hours if rule.facility_id == visit.facility_id)
    return {**body, "scheduled_start": to_local(visit.scheduled_start, local).isoformat()}
