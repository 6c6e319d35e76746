"""The wrong things that clients send to a scheduler, each by the request that would do harm.

Every one is a 4xx that names field and reason, and leaves every table of the clinic as it was.
"""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.support import ALWAYS, asked, day, local, staffed

_ROWS = Command(
    "SELECT concat_ws(' ', (SELECT count(*) || '/' || sum(version) FROM appointments),"
    " (SELECT count(*) FROM occupancy), (SELECT count(*) FROM appointment_series),"
    " (SELECT count(*) FROM provider_availability), (SELECT count(*) FROM availability_exceptions),"
    " (SELECT count(*) FROM facilities), (SELECT count(*) FROM group_sessions),"
    " (SELECT count(*) FROM waitlist), (SELECT count(*) FROM notifications),"
    " (SELECT count(*) FROM outbox), (SELECT count(*) FROM audit_logs))"
)
NOBODY = "01900000-0000-7000-8000-000000000000"
_NOT_WRITTEN = {"id", "version", "created_at", "updated_at"}
RULE = {
    "day_of_week": 1, "start_time": "09:00", "end_time": "11:00", "effective_from": "2026-01-01",
}  # fmt: skip


async def rows(clinic: Clinic) -> str:
    """Return how much stands in each table."""
    async with begin(clinic.caller) as tx:
        return str(await tx.value(_ROWS))


async def refused(
    clinic: Clinic, method: str, path: str, body: dict[str, Any]
) -> tuple[int, str, str]:
    """Return status, field and reason of a request that must change nothing."""
    before = await rows(clinic)
    response: httpx.Response = await getattr(clinic, method)(path, body)
    assert 400 <= response.status_code < 500, response.text
    assert await rows(clinic) == before
    [detail] = response.json()["error"]["details"]
    return response.status_code, detail["field"], detail["reason"]


VISITS: dict[str, tuple[dict[str, Any], tuple[int, str, str]]] = {
    "it ends before it starts": (
        {"duration_minutes": None, "scheduled_end": local(0, "08:30")},
        (422, "scheduled_end", "must be after scheduled_start"),
    ),
    "it ends as it starts": (
        {"duration_minutes": None, "scheduled_end": local(0, "09:00")},
        (422, "scheduled_end", "must be after scheduled_start"),
    ),
    "no minute long": (
        {"duration_minutes": 0},
        (400, "duration_minutes", "Input should be greater than or equal to 5"),
    ),
    "a month long, by minutes": (
        {"duration_minutes": 43_200},
        (400, "duration_minutes", "Input should be less than or equal to 1440"),
    ),
    "a month long, by its end": (
        {"duration_minutes": None, "scheduled_end": local(30, "09:00")},
        (422, "scheduled_end", "must be 5 to 1440 whole minutes after scheduled_start"),
    ),
    "past": (
        {"scheduled_start": "2025-12-01T09:00:00-05:00"},
        (422, "scheduled_start", "must be in the future"),
    ),
    "an unknown provider": (
        {"provider_id": NOBODY}, (422, "provider_id", "no such provider"),
    ),
    "an unknown second provider": (
        {"additional_provider_ids": [NOBODY]},
        (422, "additional_provider_ids", "no such provider"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), VISITS.values(), ids=VISITS.keys())
async def test_visits(
    clinic: Clinic, fields: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    provider = await staffed(clinic)
    body = await asked(clinic, provider)
    wrong = {name: value for name, value in {**body, **fields}.items() if value is not None}
    assert await refused(clinic, "post", "/appointments", wrong) == expected
    # What is wrong for a new visit is wrong for one that is changed.
    made = await clinic.make("/appointments", body)
    wrong["patient_id"] = made["patient_id"]
    assert await refused(clinic, "put", f"/appointments/{made['id']}", wrong) == expected


async def test_a_retired_provider_and_one_who_does_not_work_there(clinic: Clinic) -> None:
    provider, elsewhere = await staffed(clinic), await staffed(clinic)
    body = await asked(clinic, provider)
    strange = {**body, "facility_id": elsewhere["facilities"][0]["facility_id"]}
    reason = "the provider does not work there"
    for path, more in (
        ("/appointments", {}),
        ("/waitlist", {}),
        ("/appointments/batch", {"first_date": day(0), "local_time": "09:00",
                                 "recurrence": {"rrule": "FREQ=WEEKLY;COUNT=2"}}),
    ):  # fmt: skip
        wrong = {**strange, **more}
        if path != "/appointments":
            del wrong["scheduled_start"]
        assert await refused(clinic, "post", path, wrong) == (422, "facility_id", reason)
    read = (await clinic.get(f"/providers/{provider['id']}")).json()["data"]
    fields = {name: read[name] for name in read if name not in _NOT_WRITTEN}
    retired = await clinic.put(f"/providers/{provider['id']}", {**fields, "is_active": False})
    assert retired.status_code == 200, retired.text
    expected = (422, "provider_id", "is not active")
    assert await refused(clinic, "post", "/appointments", body) == expected


RULES: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "without an end": ({"rrule": "FREQ=DAILY"}, (400, "recurrence")),
    "10^9 occurrences": ({"rrule": "FREQ=DAILY;COUNT=1000000000"}, (400, "recurrence.rrule")),
    "10^9 days apart": (
        {"rrule": "FREQ=DAILY;INTERVAL=1000000000;COUNT=2"}, (400, "recurrence.rrule"),
    ),
    "until the year 9999": ({"rrule": "FREQ=DAILY;UNTIL=99991231"}, (422, "recurrence")),
    "every second": ({"rrule": "FREQ=SECONDLY;COUNT=3"}, (400, "recurrence.rrule")),
    "every minute": ({"rrule": "FREQ=MINUTELY;COUNT=3"}, (400, "recurrence.rrule")),
    "positions in a week": (
        {"rrule": "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1;COUNT=3"}, (400, "recurrence.rrule"),
    ),
    "a week without a day": (
        {"rrule": "FREQ=YEARLY;BYWEEKNO=20;COUNT=1"}, (400, "recurrence.rrule"),
    ),
    "numbered and plain days": (
        {"rrule": "FREQ=MONTHLY;BYDAY=MO,1TU;COUNT=3"}, (400, "recurrence.rrule"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("recurrence", "expected"), RULES.values(), ids=RULES.keys())
async def test_rules_that_come_back(
    clinic: Clinic, recurrence: dict[str, Any], expected: tuple[int, str]
) -> None:
    body = {
        **await asked(clinic, await staffed(clinic)), "first_date": day(0), "local_time": "09:00",
        "recurrence": recurrence,
    }  # fmt: skip
    del body["scheduled_start"]
    status, field, reason = await refused(clinic, "post", "/appointments/batch", body)
    assert (status, field) == expected
    named = [part for part in ("FREQ", "COUNT", "INTERVAL", "BYSETPOS", "BYWEEKNO", "BYDAY")
             if part in reason]  # fmt: skip
    assert named or field == "recurrence"


async def test_zones_that_do_not_exist(clinic: Clinic) -> None:
    place = await clinic.facility(operating_hours=ALWAYS)
    wrong = {
        name: value for name, value in place.items() if name not in {*_NOT_WRITTEN, "closures"}
    }
    wrong["timezone"] = "America/Springfield"
    status, field, reason = await refused(clinic, "put", f"/facilities/{place['id']}", wrong)
    assert (status, field, "zone" in reason) == (400, "timezone", True)
    status, field, reason = await refused(clinic, "post", "/facilities", wrong)
    assert (status, field, "zone" in reason) == (400, "timezone", True)


async def test_overlapping_availability(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    place = {"facility_id": provider["facilities"][0]["facility_id"]}
    later = {**RULE, "start_time": "10:30", "end_time": "12:00"}
    week = {"rules": [{**RULE, **place}, {**later, **place}]}
    path = f"/providers/{provider['id']}/availability"
    assert await refused(clinic, "put", path, week) == (422, "rules.1", "overlaps rule 0")


async def test_a_hold_after_its_end(clinic: Clinic, clock: Clock) -> None:
    provider = await staffed(clinic)
    start = clock().replace(hour=14) + timedelta(days=14)
    start -= timedelta(days=start.weekday())  # a Monday, 9:00 or 10:00 in New York
    body = await asked(clinic, provider, scheduled_start=start.isoformat(), hold_minutes=5)
    held = await clinic.make("/appointments", body)
    clock.forward(minutes=5)
    before = await rows(clinic)
    for step in ("book", "reschedule"):
        more = {"scheduled_start": (start + timedelta(minutes=15)).isoformat()}
        late = await clinic.post(
            f"/appointments/{held['id']}/{step}", more if step == "reschedule" else None
        )
        error = late.json()["error"]
        assert (late.status_code, error["code"]) == (409, "HOLD_EXPIRED")
        assert [one["field"] for one in error["details"]] == ["held_until"]
    assert await rows(clinic) == before
