"""Changes of hours answer which booked visits they strand, and need a choice."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chroniccare.core.ids import new_id
from chroniccare.facilities import actions as facilities
from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.platform.postgres import Command, Tx, begin
from chroniccare.providers import actions as providers
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling.availability import actions as availability
from chroniccare.scheduling.availability.schemas import AvailabilityWrite
from chroniccare.scheduling.schemas import AppointmentWrite
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.scheduling.hours import Surgery, at, ids, on, rule, surgery

_BLOCKED = Command(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
)


def refused(response: httpx.Response) -> dict[str, Any]:
    """Return the data of a refusal because of stranded visits."""
    assert response.status_code == 409, response.text
    error = response.json()["error"]
    assert error["code"] == "STRANDED_VISITS"
    data: dict[str, Any] = error["data"]
    return data


async def test_nothing_changes_until_somebody_says_what_becomes_of_the_visits(
    clinic: Clinic,
) -> None:
    doctor = await surgery(clinic)
    inside, outside = await doctor.write(at(0, "09:00"), at(0, "13:00"))
    [later] = await doctor.write(at(7, "11:30"))
    before = await clinic.get(doctor.week)
    answer = await clinic.put(doctor.week, {"rules": []})
    data = refused(answer)
    assert answer.json()["error"]["message"].startswith("2 booked visits")
    details = answer.json()["error"]["details"]
    assert [one["field"] for one in details] == ["appointments.0", "appointments.1"]
    assert data["count"] == 2
    assert data["stranded"] == [
        {
            "appointment_id": visit_id,
            "provider_id": doctor.provider["id"],
            "facility_id": doctor.place["id"],
            "scheduled_start": start.isoformat().replace("+00:00", "Z"),
            "scheduled_end": (start + timedelta(minutes=30)).isoformat().replace("+00:00", "Z"),
            "outcome": "stranded",
            "moved_to": None,
            "moved_to_facility_id": None,
        }
        for visit_id, start in ((inside, at(0, "09:00")), (later, at(7, "11:30")))
    ]
    assert (await clinic.get(doctor.week)).json()["data"] == before.json()["data"]
    assert "stranded" in await doctor.audited(inside)
    assert "stranded" not in await doctor.audited(outside)


async def test_a_trial_answers_the_visits_and_changes_nothing(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    [visit] = await doctor.write(at(0, "09:00"))
    before = await clinic.get(doctor.week)
    choices: list[dict[str, str]] = [{}, *({"stranded": one} for one in ("keep", "move", "cancel"))]
    for choice in choices:
        params = {"dry_run": "true", **choice}
        tried = await clinic.put(doctor.week, {"rules": []}, params=params)
        assert tried.status_code == 200
        [one] = tried.json()["data"]["stranded"]
        assert (one["appointment_id"], one["outcome"]) == (visit, "stranded")
    after = await clinic.get(doctor.week)
    assert after.json()["data"] == before.json()["data"]
    assert after.headers["etag"] == before.headers["etag"]
    assert (await doctor.visit(visit))["status"] == "scheduled"
    assert "stranded" in await doctor.audited(visit)
    faulty = [rule(doctor.place["id"]), rule(doctor.place["id"])]
    wrong = await clinic.put(doctor.week, {"rules": faulty}, params={"dry_run": "true"})
    assert wrong.status_code == 422
    nothing = await clinic.put(
        doctor.week, {"rules": [rule(doctor.place["id"])]}, params={"dry_run": "true"}
    )
    assert nothing.json()["data"] == {"stranded": []}


async def test_a_trial_leaves_its_idempotency_key_free(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    headers = {"Idempotency-Key": "day-off"}
    body = {"day": on(0)}
    tried = await clinic.post(doctor.exceptions, body, params={"dry_run": "true"}, headers=headers)
    assert tried.json()["data"] == {"stranded": []}
    made = await clinic.post(doctor.exceptions, body, headers=headers)
    assert made.status_code == 201
    again = await clinic.post(doctor.exceptions, body, headers=headers)
    assert again.json()["data"] == made.json()["data"]
    assert again.headers["idempotent-replayed"] == "true"


async def test_kept_visits_stay_and_are_audited(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    visit = await doctor.book(at(0, "09:00"))
    changed = await clinic.put(doctor.week, {"rules": []}, params={"stranded": "keep"})
    data = changed.json()["data"]
    assert data["rules"] == []
    assert [(one["appointment_id"], one["outcome"]) for one in data["stranded"]] == [
        (visit["id"], "kept")
    ]
    assert changed.headers["etag"] == '"3"'
    assert await doctor.visit(visit["id"]) == visit
    assert "keep_stranded" in await doctor.audited(visit["id"])
    again = await clinic.put(doctor.week, {"rules": []})
    assert again.json()["data"] == {"rules": []}  # it lies outside already


async def test_cancelled_visits_are_cancelled_and_their_patients_told(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    visit = await doctor.book(at(0, "09:00"))
    changed = await clinic.put(doctor.week, {"rules": []}, params={"stranded": "cancel"})
    assert [one["outcome"] for one in changed.json()["data"]["stranded"]] == ["cancelled"]
    now = await doctor.visit(visit["id"])
    assert (now["status"], now["cancellation_reason"]) == (
        "cancelled",
        "The clinic changed its hours.",
    )
    assert "cancel" in await doctor.audited(visit["id"])
    messages = await clinic.get(f"/patients/{doctor.patient['id']}/notifications")
    kinds = sorted(
        (one["notification_type"], one["delivery_status"])
        for one in messages.json()["data"]["items"]
    )
    assert kinds == [
        ("appointment_cancelled", "pending"),
        ("appointment_confirmation", "cancelled"),
        ("appointment_reminder", "cancelled"),
        ("appointment_reminder", "cancelled"),
        ("appointment_reminder", "cancelled"),
    ]
    async with begin(clinic.caller) as tx:
        events = Command("SELECT event_type FROM outbox ORDER BY created_at")
        assert (await tx.values(events))[-1] == "appointment.cancelled"
        taken = Command("SELECT count(*) FROM occupancy")
        assert await tx.value(taken) == 0


async def test_only_open_visits_to_come_are_stranded(clinic: Clinic) -> None:
    always = [{"day_of_week": day, "start_time": "00:00", "end_time": "24:00"} for day in range(7)]
    doctor = await surgery(clinic, *always)
    now = datetime.now(UTC)
    for status in ("checked_in", "in_progress", "completed", "cancelled", "no_show"):
        await doctor.write(at(0, "09:00"), status=status)
    await doctor.write(now - timedelta(minutes=1), now - timedelta(days=3))
    await doctor.write(at(0, "10:00"), status="held", held_until=now - timedelta(seconds=1))
    await doctor.write(at(0, "09:00"), status="confirmed")
    [held] = await doctor.write(at(1, "10:00"), status="held", held_until=now + timedelta(hours=1))
    data = refused(await clinic.put(doctor.week, {"rules": []}))
    assert data["count"] == 2
    assert held in ids(data["stranded"])
    changed = await clinic.put(doctor.week, {"rules": []}, params={"stranded": "cancel"})
    assert len(changed.json()["data"]["stranded"]) == 2
    messages = await clinic.get(f"/patients/{doctor.patient['id']}/notifications")
    told = [one["appointment_id"] for one in messages.json()["data"]["items"]]
    assert len(told) == 1
    assert held not in told  # nobody knew of it


async def test_every_provider_of_a_visit_counts(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    nurse = await surgery(clinic)
    place = [{"facility_id": doctor.place["id"]}]
    body = clinic.provider_body(npi=nurse.provider["npi"], facilities=place)
    await clinic.put(nurse.week, {"rules": []})
    assert (await clinic.put(f"/providers/{nurse.provider['id']}", body)).status_code == 200
    await clinic.put(nurse.week, {"rules": [rule(doctor.place["id"])]})
    [visit] = await doctor.write(at(0, "09:00"), others=[nurse.provider["id"]])
    await doctor.write(at(0, "10:00"))
    assert ids(refused(await clinic.put(nurse.week, {"rules": []}))["stranded"]) == [visit]
    data = refused(await clinic.put(doctor.facility, doctor.facility_body(operating_hours={})))
    assert data["count"] == 2


async def test_hours_that_are_kept_for_others_strand_nobody(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    await doctor.write(at(0, "09:00"))
    kept = rule(doctor.place["id"], reserved_for="urgent", release_minutes=120)
    stored = await clinic.put(doctor.week, {"rules": [kept]})
    assert stored.status_code == 200
    [read] = (await clinic.get(doctor.week)).json()["data"]["rules"]
    assert (read["reserved_for"], read["release_minutes"]) == ("urgent", 120)
    assert refused(await clinic.put(doctor.week, {"rules": []}))["count"] == 1


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"release_minutes": 60}, 422, "rules.0.release_minutes"),
        ({"reserved_for": "high", "is_available": False}, 422, "rules.0.reserved_for"),
        ({"reserved_for": "normal"}, 400, "rules.0.reserved_for"),
        ({"reserved_for": "high", "release_minutes": -1}, 400, "rules.0.release_minutes"),
        ({"reserved_for": "high", "release_minutes": 43201}, 400, "rules.0.release_minutes"),
    ],
)
async def test_a_reserved_range_must_make_sense(
    clinic: Clinic, fields: dict[str, Any], status: int, field: str
) -> None:
    doctor = await surgery(clinic)
    answer = await clinic.put(doctor.week, {"rules": [rule(doctor.place["id"], **fields)]})
    assert answer.status_code == status
    assert [one["field"] for one in answer.json()["error"]["details"]] == [field]


Send = Callable[[Surgery, dict[str, str]], Any]


async def _made(doctor: Surgery, path: str, body: dict[str, Any]) -> str:
    """Write an exception, whatever it strands, and return its address."""
    made = await doctor.clinic.post(path, body, params={"stranded": "keep"})
    assert made.status_code == 201, made.text
    return f"{path}/{made.json()['data']['id']}"


async def _extra(doctor: Surgery, path: str) -> str:
    """Replace the weekly hours by extra ones on the tests' Monday."""
    place = {"facility_id": doctor.place["id"]} if path == doctor.exceptions else {}
    times = {"start_time": "08:00", "end_time": "12:00", "is_available": True}
    made = await _made(doctor, path, {"day": on(0), **times, **place})
    if path == doctor.exceptions:
        await doctor.clinic.put(doctor.week, {"rules": []})
    else:
        shut = doctor.facility_body(operating_hours={})
        assert (await doctor.clinic.put(doctor.facility, shut)).status_code == 200
    return made


async def _put_week(doctor: Surgery, params: dict[str, str]) -> httpx.Response:
    short = rule(doctor.place["id"], start_time="09:30")
    return await doctor.clinic.put(doctor.week, {"rules": [short]}, params=params)


async def _day_off(doctor: Surgery, params: dict[str, str]) -> httpx.Response:
    return await doctor.clinic.post(doctor.exceptions, {"day": on(0)}, params=params)


async def _hours_off(doctor: Surgery, params: dict[str, str]) -> httpx.Response:
    body = {"day": on(-1), "start_time": "22:00", "end_time": "09:01"}
    return await doctor.clinic.post(doctor.exceptions, body, params=params)


async def _close(doctor: Surgery, params: dict[str, str]) -> httpx.Response:
    return await doctor.clinic.post(f"{doctor.facility}/exceptions", {"day": on(0)}, params=params)


async def _fewer_hours(doctor: Surgery, params: dict[str, str]) -> httpx.Response:
    hours = {"monday": [{"open": "09:05", "close": "17:00"}]}
    body = doctor.facility_body(operating_hours=hours)
    return await doctor.clinic.put(doctor.facility, body, params=params)


async def _other_zone(doctor: Surgery, params: dict[str, str]) -> httpx.Response:
    body = doctor.facility_body(timezone="America/Los_Angeles")
    return await doctor.clinic.put(doctor.facility, body, params=params)


async def _shut_down(doctor: Surgery, params: dict[str, str]) -> httpx.Response:
    body = doctor.facility_body(is_active=False)
    return await doctor.clinic.put(doctor.facility, body, params=params)


CHANGES = [_put_week, _day_off, _hours_off, _close, _fewer_hours, _other_zone, _shut_down]


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_takes_hours_away_asks_first(clinic: Clinic, change: Send) -> None:
    doctor = await surgery(clinic)
    [visit] = await doctor.write(at(0, "09:00"))
    [outside] = await doctor.write(at(0, "08:45"))  # it reaches into the hours
    assert ids(refused(await change(doctor, {}))["stranded"]) == [visit]
    tried = await change(doctor, {"dry_run": "true"})
    assert tried.status_code == 200
    assert ids(tried.json()["data"]["stranded"]) == [visit]
    assert ids(refused(await change(doctor, {}))["stranded"]) == [visit]
    done = await change(doctor, {"stranded": "cancel"})
    assert done.is_success, done.text
    assert [one["outcome"] for one in done.json()["data"]["stranded"]] == ["cancelled"]
    assert (await doctor.visit(visit))["status"] == "cancelled"
    assert (await doctor.visit(outside))["status"] == "scheduled"


@pytest.mark.parametrize("owner", ["provider", "facility"])
async def test_taking_extra_hours_back_asks_first(clinic: Clinic, owner: str) -> None:
    doctor = await surgery(clinic, {"start_time": "07:00"})
    path = doctor.exceptions if owner == "provider" else f"{doctor.facility}/exceptions"
    extra = await _extra(doctor, path)
    [visit] = await doctor.write(at(0, "08:00"))
    assert ids(refused(await clinic.delete(extra))["stranded"]) == [visit]
    tried = await clinic.delete(extra, params={"dry_run": "true"})
    assert ids(tried.json()["data"]["stranded"]) == [visit]
    assert (await clinic.get(extra)).status_code == 200
    done = await clinic.delete(extra, params={"stranded": "keep"})
    assert [one["outcome"] for one in done.json()["data"]["stranded"]] == ["kept"]
    assert (await clinic.get(extra)).status_code == 404


@pytest.mark.parametrize("owner", ["provider", "facility"])
async def test_taking_time_off_back_strands_nobody(clinic: Clinic, owner: str) -> None:
    doctor = await surgery(clinic)
    path = doctor.exceptions if owner == "provider" else f"{doctor.facility}/exceptions"
    await doctor.write(at(0, "09:00"))
    closed = await _made(doctor, path, {"day": on(0)})
    twice = await _made(doctor, path, {"day": on(0)})
    for one in (closed, twice):
        gone = await clinic.delete(one)
        assert (gone.status_code, gone.json()["data"]) == (200, None)
    assert refused(await clinic.post(path, {"day": on(0)}))["count"] == 1


async def test_what_leaves_the_hours_alone_asks_nothing(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    await doctor.write(at(0, "09:00"))
    renamed = await clinic.put(doctor.facility, doctor.facility_body(name="Riverside"))
    assert renamed.status_code == 200
    assert "stranded" not in renamed.json()["data"]
    assert (await clinic.post(doctor.exceptions, {"day": on(1)})).status_code == 201
    longer = rule(doctor.place["id"], start_time="08:00")
    assert (await clinic.put(doctor.week, {"rules": [longer]})).status_code == 200


async def test_a_visit_may_lie_across_ranges_that_touch(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    await doctor.write(at(0, "09:30"), minutes=60)
    place = doctor.place["id"]
    halves = [rule(place, end_time="10:00"), rule(place, start_time="10:00")]
    assert (await clinic.put(doctor.week, {"rules": halves})).status_code == 200
    gap = [rule(place, end_time="10:00"), rule(place, start_time="10:01")]
    assert refused(await clinic.put(doctor.week, {"rules": gap}))["count"] == 1


async def test_a_refusal_names_a_hundred_and_counts_all(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    await doctor.write(*(at(7 * week, "09:00") for week in range(100)))
    [last] = await doctor.write(at(0, "09:30"))
    answer = await clinic.put(doctor.week, {"rules": []})
    data = refused(answer)
    assert (data["count"], len(data["stranded"])) == (101, 100)
    assert last in ids(data["stranded"])
    tried = await clinic.put(doctor.week, {"rules": []}, params={"dry_run": "true"})
    assert len(tried.json()["data"]["stranded"]) == 101


async def test_a_key_that_may_not_change_visits_cannot_touch_them(running: Running) -> None:
    scopes = frozenset({"providers:write", "facilities:write"})
    async with new_clinic(running.app, running.contract, scopes=scopes) as clinic:
        body: dict[str, Any] = {"rules": []}
        week = f"/providers/{new_id()}/availability"
        for choice in ("move", "cancel"):
            denied = await clinic.put(week, body, params={"stranded": choice})
            assert denied.status_code == 403
        assert (await clinic.put(week, body, params={"stranded": "keep"})).status_code == 404


async def blocked(tx: Tx) -> None:
    """Wait until another transaction waits for a row that `tx` has locked."""
    async with asyncio.timeout(1.5):  # within the lock's own limit
        while not await tx.value(_BLOCKED):  # noqa: ASYNC110  PostgreSQL tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("change", [_put_week, _day_off, _close, _fewer_hours])
async def test_a_visit_that_is_just_being_booked_is_seen(clinic: Clinic, change: Send) -> None:
    doctor = await surgery(clinic)
    body = AppointmentWrite.model_validate(doctor.body(at(0, "09:00")))
    async with begin(clinic.caller) as tx:
        visit = await scheduling.book(tx, body)
        racing = asyncio.create_task(change(doctor, {}))
        await blocked(tx)
    assert ids(refused(await racing)["stranded"]) == [str(visit.id)]


@pytest.mark.parametrize("owner", ["provider", "facility"])
async def test_a_booking_waits_for_the_hours_that_are_being_changed(
    clinic: Clinic, owner: str
) -> None:
    doctor = await surgery(clinic)
    async with begin(clinic.caller) as tx:
        if owner == "provider":
            provider = await providers.get_locked(tx, UUID(doctor.provider["id"]))
            await availability.set_availability(tx, provider, AvailabilityWrite(rules=[]))
        else:
            facility = await facilities.get_locked(tx, UUID(doctor.place["id"]))
            shut = FacilityWrite.model_validate(doctor.facility_body(operating_hours={}))
            await availability.update_facility(tx, facility, shut)
        racing = asyncio.create_task(clinic.post("/appointments", doctor.body(at(0, "09:00"))))
        await blocked(tx)
        assert not racing.done()
    answer = await racing
    assert answer.status_code == 422
    assert [one["code"] for one in answer.json()["error"]["details"]] == ["availability"]


async def test_a_visit_that_somebody_is_changing_refuses_to_be_cancelled(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    visit = await doctor.book(at(0, "09:00"))
    async with begin(clinic.caller) as tx:
        await scheduling.get_locked(tx, UUID(visit["id"]))
        async with asyncio.timeout(1.5):  # it does not wait, which could end in a deadlock
            answer = await clinic.put(doctor.week, {"rules": []}, params={"stranded": "cancel"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert len((await clinic.get(doctor.week)).json()["data"]["rules"]) == 1


async def test_who_takes_no_more_visits_strands_those_to_come(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    one, other = await doctor.write(at(0, "09:00"), at(7, "10:00"))
    path = f"/providers/{doctor.provider['id']}"
    facilities = [{"facility_id": doctor.place["id"]}]
    body = clinic.provider_body(npi=doctor.provider["npi"], facilities=facilities, is_active=False)
    assert ids(refused(await clinic.put(path, body))["stranded"]) == [one, other]
    assert (await clinic.get(path)).json()["data"]["is_active"] is True
    tried = await clinic.put(path, body, params={"dry_run": "true"})
    assert ids(tried.json()["data"]["stranded"]) == [one, other]
    moved = await clinic.put(path, body, params={"stranded": "move"})
    assert [one["outcome"] for one in moved.json()["data"]["stranded"]] == ["not_moved"] * 2
    assert moved.json()["data"]["is_active"] is False
    # Nobody can be stranded twice.
    assert "stranded" not in (await clinic.put(path, body)).json()["data"]
    active = await clinic.put(path, {**body, "is_active": True})
    assert "stranded" not in active.json()["data"]
    gone = await clinic.put(path, body, params={"stranded": "cancel"})
    assert [one["outcome"] for one in gone.json()["data"]["stranded"]] == ["cancelled"] * 2
    assert (await doctor.visit(other))["status"] == "cancelled"
