"""Stranded visits that are moved to the nearest free time."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from chroniccare.platform.postgres import Command, Tx, begin
from chroniccare.providers import actions as providers
from chroniccare.scheduling.availability import stranding
from chroniccare.scheduling.queries import LOCK
from chroniccare.scheduling.rules import lock_keys
from tests.client import Clinic
from tests.scheduling.hours import ALWAYS, Surgery, at, rule, surgery

_WAITING = Command("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
_FOR_ROWS = Command(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
)
MOVE = {"stranded": "move"}


def outcomes(response: httpx.Response) -> list[tuple[str, str | None]]:
    """Return what became of each visit, and its new start."""
    assert response.is_success, response.text
    return [(one["outcome"], one["moved_to"]) for one in response.json()["data"]["stranded"]]


def moved(start: datetime) -> tuple[str, str]:
    return "moved", start.isoformat().replace("+00:00", "Z")


async def rules(doctor: Surgery, *some: dict[str, Any], **params: str) -> httpx.Response:
    week = [rule(doctor.place["id"], **one) for one in some]
    return await doctor.clinic.put(doctor.week, {"rules": week}, params=params or MOVE)


async def test_a_visit_moves_to_the_nearest_time_and_its_patient_is_told(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    visit = await doctor.book(at(0, "11:00"))
    changed = await rules(doctor, {"end_time": "11:00"}, {"day_of_week": 2})
    assert outcomes(changed) == [moved(at(0, "10:30"))]
    [one] = changed.json()["data"]["stranded"]
    assert one["scheduled_start"] == at(0, "11:00").isoformat().replace("+00:00", "Z")
    assert one["moved_to_facility_id"] == doctor.place["id"]
    now = await doctor.visit(visit["id"])
    assert datetime.fromisoformat(now["scheduled_start"]) == at(0, "10:30")
    assert (now["status"], now["reschedule_count"]) == ("scheduled", 1)
    assert "reschedule" in await doctor.audited(visit["id"])
    messages = await clinic.get(f"/patients/{doctor.patient['id']}/notifications")
    told = [
        (one["notification_type"], one["delivery_status"])
        for one in messages.json()["data"]["items"]
    ]
    assert ("appointment_rescheduled", "pending") in told
    assert ("appointment_confirmation", "superseded") in told


async def test_a_visit_may_move_into_a_part_of_its_own_time(clinic: Clinic) -> None:
    doctor = await surgery(clinic, {"slot_duration": 15})
    await doctor.book(at(0, "11:30"))
    changed = await rules(doctor, {"slot_duration": 15, "end_time": "11:45"})
    assert outcomes(changed) == [moved(at(0, "11:15"))]


async def test_visits_move_one_after_the_other_and_never_onto_each_other(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    patients = [doctor.patient, await clinic.patient(), await clinic.patient()]
    for patient, clock in zip(patients, ("11:00", "11:30", "10:30"), strict=True):
        body = {**doctor.body(at(0, clock)), "patient_id": patient["id"]}
        await clinic.make("/appointments", body)
    changed = await rules(doctor, {"end_time": "11:00"})
    assert outcomes(changed) == [moved(at(0, "10:00")), moved(at(0, "09:30"))]


async def test_the_patients_other_visits_are_kept_clear_of(clinic: Clinic) -> None:
    doctor, other = await surgery(clinic), await surgery(clinic)
    await doctor.book(at(0, "11:00"))
    elsewhere = {**other.body(at(0, "10:00"), 60), "patient_id": doctor.patient["id"]}
    await clinic.make("/appointments", elsewhere)
    assert outcomes(await rules(doctor, {"end_time": "11:00"})) == [moved(at(0, "09:30"))]


async def test_the_same_facility_comes_before_a_nearer_time(clinic: Clinic) -> None:
    first = await clinic.facility(operating_hours=ALWAYS)
    second = await clinic.facility(operating_hours=ALWAYS)
    places = [{"facility_id": one["id"]} for one in (first, second)]
    provider = await clinic.provider(always=False, facilities=places)
    doctor = Surgery(clinic, provider, first, await clinic.patient())
    before = [rule(first["id"]), rule(second["id"], day_of_week=2)]
    assert (await clinic.put(doctor.week, {"rules": before})).status_code == 200
    visit = await doctor.book(at(0, "11:00"))
    near = rule(second["id"], day_of_week=1, start_time="12:00", end_time="13:00")
    far = rule(first["id"], day_of_week=4, effective_from=at(14, "00:00").date().isoformat())
    changed = await clinic.put(doctor.week, {"rules": [near, far]}, params=MOVE)
    # Thursdays from the third week on, although the other facility is free an hour later.
    assert outcomes(changed) == [moved(at(17, "09:00"))]
    changed = await clinic.put(doctor.week, {"rules": [near]}, params=MOVE)
    # Nothing is free at the first any more; at the other Mondays are, three days before.
    assert outcomes(changed) == [moved(at(14, "12:30"))]
    [one] = changed.json()["data"]["stranded"]
    assert one["moved_to_facility_id"] == second["id"]
    assert (await doctor.visit(visit["id"]))["facility_id"] == second["id"]


async def test_a_visit_without_another_time_is_kept_and_said_to_be(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    visit = await doctor.book(at(0, "11:00"))
    late = (at(0, "11:00") + timedelta(days=32)).date().isoformat()
    changed = await rules(doctor, {"effective_from": late})
    assert outcomes(changed) == [("not_moved", None)]
    now = await doctor.visit(visit["id"])
    assert (now["status"], now["version"]) == ("scheduled", visit["version"])
    assert "keep_stranded" in await doctor.audited(visit["id"])


async def test_the_clinics_rules_of_moving_hold(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    await doctor.book(at(0, "11:00"))
    policy = (await clinic.get("/scheduling-policy")).json()["data"]
    named = {name: value for name, value in policy.items() if name not in {"version", "updated_at"}}
    stored = await clinic.put("/scheduling-policy", {**named, "max_reschedules": 0})
    assert stored.status_code == 200, stored.text
    assert outcomes(await rules(doctor, {"end_time": "11:00"})) == [("not_moved", None)]


async def test_a_facility_that_closes_sends_visits_to_another_day(clinic: Clinic) -> None:
    doctor = await surgery(clinic, {}, {"day_of_week": 3})
    await doctor.book(at(0, "11:00"))
    path = f"{doctor.facility}/exceptions"
    day = at(0, "11:00").date().isoformat()
    closed = await clinic.post(path, {"day": day}, params=MOVE)
    assert closed.status_code == 201
    assert outcomes(closed) == [moved(at(2, "09:00"))]
    shut = await clinic.put(doctor.facility, doctor.facility_body(is_active=False), params=MOVE)
    assert outcomes(shut) == [("not_moved", None)]


async def test_every_provider_of_the_visit_must_be_there(clinic: Clinic) -> None:
    doctor, nurse = await surgery(clinic, {}, {"day_of_week": 2}), await surgery(clinic)
    place = [{"facility_id": doctor.place["id"]}]
    await clinic.put(nurse.week, {"rules": []})
    body = clinic.provider_body(npi=nurse.provider["npi"], facilities=place)
    assert (await clinic.put(f"/providers/{nurse.provider['id']}", body)).status_code == 200
    both = [rule(doctor.place["id"]), rule(doctor.place["id"], day_of_week=2, start_time="11:00")]
    await clinic.put(nurse.week, {"rules": both})
    visit = {**doctor.body(at(0, "09:00")), "additional_provider_ids": [nurse.provider["id"]]}
    await clinic.make("/appointments", visit)
    changed = await clinic.put(nurse.week, {"rules": both[1:]}, params=MOVE)
    assert outcomes(changed) == [moved(at(1, "11:00"))]


async def test_there_is_a_limit_to_what_is_moved_at_once(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    await doctor.write(*(at(7 * week, "09:00") for week in range(stranding.MAX_MOVED)))
    await doctor.write(at(0, "10:00"))
    refused = await clinic.put(doctor.week, {"rules": []}, params=MOVE)
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["error"]["details"]] == ["stranded"]
    assert len((await clinic.get(doctor.week)).json()["data"]["rules"]) == 1


async def test_two_changes_that_move_visits_do_not_wait_in_a_circle(clinic: Clinic) -> None:
    """Each would have its provider's row and want the other's: one waits before it has any."""
    doctor, other = await surgery(clinic), await surgery(clinic)
    await doctor.book(at(0, "11:00"))
    key = lock_keys(clinic.tenant_id, [stranding.MOVES])
    async with begin(clinic.caller) as tx:
        await tx.values(LOCK, key)
        waiting = asyncio.ensure_future(rules(doctor, {"end_time": "11:00"}))
        await _until(tx, _WAITING, 1)
        # Who moves nothing does not wait, also for the row that the one who waits will want.
        assert (await rules(other, {}, stranded="keep")).is_success
        assert (await rules(doctor, {}, stranded="keep")).is_success
    assert outcomes(await waiting) == [moved(at(0, "10:30"))]


async def test_a_change_that_moves_visits_keeps_everybody_before_it_locks_them(
    clinic: Clinic,
) -> None:
    """Behind the locks it would wait for a row whose holder may wait for the locks."""
    doctor, nurse = await surgery(clinic), await surgery(clinic)
    place = [{"facility_id": doctor.place["id"]}]
    body = clinic.provider_body(npi=nurse.provider["npi"], facilities=place)
    await clinic.put(nurse.week, {"rules": []})
    assert (await clinic.put(f"/providers/{nurse.provider['id']}", body)).is_success
    assert (await clinic.put(nurse.week, {"rules": [rule(doctor.place["id"])]})).is_success
    visit = {**doctor.body(at(0, "11:00")), "additional_provider_ids": [nurse.provider["id"]]}
    await clinic.make("/appointments", visit)
    async with begin(clinic.caller) as tx:
        await providers.get_locked(tx, UUID(nurse.provider["id"]))
        moving = asyncio.ensure_future(rules(doctor, {"end_time": "11:00"}))
        await _until(tx, _FOR_ROWS, 1)
        async with asyncio.timeout(0.5):
            await tx.values(LOCK, lock_keys(clinic.tenant_id, [UUID(doctor.provider["id"])]))
    assert outcomes(await moving) == [moved(at(0, "10:30"))]


async def _until(tx: Tx, waiting: Command, count: int) -> None:
    async with asyncio.timeout(1.5):
        while await tx.value(waiting) < count:  # noqa: ASYNC110  PostgreSQL tells nobody
            await asyncio.sleep(0.01)
