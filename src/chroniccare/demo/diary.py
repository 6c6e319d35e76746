"""Who works when and who is taken when in the demo clinic, read through the slices' actions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.time import zone
from chroniccare.demo.rules import Diary, Hours
from chroniccare.facilities import actions as facilities
from chroniccare.patients import actions as people
from chroniccare.patients.queries import Patient
from chroniccare.platform.postgres import Tx
from chroniccare.providers import actions as providers
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling.availability import actions as weeks
from chroniccare.scheduling.rules import FREE_STATUSES

_MOST = 10_000


async def facility_zones(tx: Tx, *, is_active: bool | None = True) -> dict[UUID, str]:
    """Return the time zone of each facility; with `is_active` None, of inactive ones too."""
    page = await facilities.search(
        tx, facility_type=None, is_active=is_active, name=None, cursor=None, limit=_MOST
    )
    return {facility.id: facility.timezone for facility in page.items}


async def hours(tx: Tx) -> list[Hours]:
    """Return every weekly rule of every provider."""
    zones = await facility_zones(tx)
    page = await providers.search(
        tx, filters=[None, None, None, True, None], name=None, cursor=None, limit=_MOST
    )
    return [
        _hours(provider.id, rule, zones)
        for provider in page.items
        for rule in (await weeks.availability(tx, provider.id)).rules
        if rule["is_available"] and UUID(rule["facility_id"]) in zones
    ]


def _hours(provider_id: UUID, rule: dict[str, Any], zones: dict[UUID, str]) -> Hours:
    facility_id = UUID(rule["facility_id"])
    return Hours(
        provider_id=provider_id,
        facility_id=facility_id,
        zone=zone(zones[facility_id]),
        day_of_week=rule["day_of_week"],
        start=rule["start_time"],
        end=rule["end_time"],
        slot_minutes=rule["slot_duration"],
    )


async def taken(tx: Tx, since: datetime | None = None) -> Diary:
    """Return the visits from `since` on that take time, by provider and by patient."""
    page = await scheduling.search(
        tx, filters=[None] * 3 + [since] + [None] * 4, cursor=None, limit=_MOST
    )
    diary = Diary({})
    for visit in page.items:
        if visit.status not in FREE_STATUSES:
            diary.take(visit.provider_id, visit.scheduled_start, visit.scheduled_end)
            diary.take(visit.patient_id, visit.scheduled_start, visit.scheduled_end)
    return diary


async def panel(tx: Tx, provider_id: UUID | None) -> list[Patient]:
    """Return the active patients whose primary provider this is; with None, all of them."""
    page = await people.search(
        tx, filters=[None, None, "active", provider_id, None], name=None, cursor=None, limit=_MOST
    )
    return [patient for patient in page.items if patient.is_active]
