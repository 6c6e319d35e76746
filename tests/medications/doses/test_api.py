"""Doses and dosing times over HTTP, and what the loop makes of the clinic's times."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chroniccare.core.ids import new_id
from chroniccare.medications.doses import rounds
from chroniccare.medications.doses.planner import replan
from chroniccare.medications.doses.prn import prn_verdict
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.medications.doses.support import TWICE, prescribe, rows, timing
from tests.notifications.support import Clock

pytestmark = pytest.mark.usefixtures("clock")
TODAY = date(2031, 3, 4)
USUAL = {
    "wake": "07:00", "breakfast": "08:00", "lunch": "12:00", "dinner": "18:00", "bed": "22:00",
}  # fmt: skip
UNSET: dict[str, Any] = dict.fromkeys(USUAL)
AUDITED = Command(
    "SELECT count(*) FROM audit_logs WHERE entity_type = $1 AND action = $2 AND entity_id = $3"
)
EVENTS = Command("SELECT count(*) FROM outbox WHERE event_type = 'dosing_times.updated'")
REPORT = Command(
    "INSERT INTO medication_adherence (id, tenant_id, medication_id, patient_id, scheduled_time,"
    " taken_at, was_taken, status, source, corrects_id, created_at) VALUES ($1, $2, $3, $4, $5, $5,"
    " $6 = 'taken', $6, 'patient', $7, $5)"
)


async def planned(clinic: Clinic, dosage: Any = TWICE) -> tuple[UUID, UUID]:
    patient, medication = await prescribe(clinic, dosage, starts_on=TODAY)
    async with begin(clinic.caller) as tx:
        await replan(tx, [medication])
    return patient, medication


async def listed(clinic: Clinic, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await clinic.get(path, params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["data"]["items"]
    return items


async def test_doses_are_listed_by_patient_and_by_medication(clinic: Clinic) -> None:
    patient, medication = await planned(clinic)
    by_patient = await listed(clinic, f"/patients/{patient}/doses")
    by_medication = await listed(clinic, f"/medications/{medication}/doses")
    assert by_patient == by_medication
    first = by_patient[0]
    assert first | {"id": None, "updated_at": None} == {
        "id": None,
        "patient_id": str(patient),
        "medication_id": str(medication),
        "medication_name": "Metformin",
        "regimen_version": 1,
        "local_date": "2031-03-04",
        "ordinal": 1,
        "due_at": "2031-03-04T23:00:00Z",
        "late_at": "2031-03-05T02:00:00Z",
        "missed_at": "2031-03-05T05:00:00Z",
        "quantity": 1.0,
        "unit": "tablet",
        "state": "planned",
        "source": None,
        "taken_at": None,
        "reason": None,
        "updated_at": None,
    }
    assert [one["local_date"] for one in by_patient][-1] == "2031-03-17"  # today and 13 days more
    async with begin(clinic.caller) as tx:
        assert await tx.value(AUDITED, "dose", "list", UUID(first["id"])) == 2


async def test_days_states_and_pages_narrow_the_list(clinic: Clinic) -> None:
    patient, _ = await planned(clinic)
    path = f"/patients/{patient}/doses"
    days = {"from_date": "2031-03-06", "to_date": "2031-03-08"}
    found = await listed(clinic, path, **days)
    assert [one["local_date"][-1] for one in found] == list("667788")
    assert len(await listed(clinic, path, to_date="2031-03-06")) == 5
    assert len(await listed(clinic, path, from_date="2031-03-16")) == 5
    assert await listed(clinic, path, state="taken", **days) == []
    pages: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        answer = (await clinic.get(path, params={"limit": 2, **days, **cursor})).json()["data"]
        pages += answer["items"]
        cursor = {"cursor": answer["next_cursor"]}
    assert pages == found
    assert cursor == {"cursor": None}


@pytest.mark.parametrize(
    "days",
    [
        {"from_date": "2031-03-06", "to_date": "2031-03-05"},
        {"from_date": "2031-03-06", "to_date": "2032-03-06"},
    ],
)
async def test_days_that_make_no_range_are_refused(clinic: Clinic, days: dict[str, str]) -> None:
    patient = (await clinic.patient())["id"]
    answer = await clinic.get(f"/patients/{patient}/doses", params=days)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "to_date"


@pytest.mark.parametrize(
    "path", ["/patients/{}/doses", "/medications/{}/doses", "/patients/{}/dosing-times"]
)
async def test_what_is_not_there_is_not_found(
    clinic: Clinic, other_clinic: Clinic, path: str
) -> None:
    patient, medication = await planned(other_clinic)
    for strange in (uuid4(), medication if "medications" in path else patient):
        assert (await clinic.get(path.format(strange))).status_code == 404


async def test_cancelled_doses_are_listed_when_asked_for(clinic: Clinic) -> None:
    patient, _ = await planned(clinic)
    await clinic.delete(f"/patients/{patient}")
    patient, medication = await planned(clinic)
    held = clinic.patient_body(mrn="gone", treatment_status="inactive")
    await clinic.put(f"/patients/{patient}", held)
    await rounds.run(clinic.tenant_id)
    path = f"/medications/{medication}/doses"
    assert await listed(clinic, path) == []
    given_up = await listed(clinic, path, state="cancelled")
    assert {one["reason"] for one in given_up} == {"patient_gone"}


async def test_a_clinic_that_set_nothing_lives_by_the_usual_times(clinic: Clinic) -> None:
    answer = await clinic.get("/dosing-times")
    assert answer.json()["data"] == {"version": 0, "own": UNSET, "effective": USUAL}
    assert answer.headers["etag"] == '"0"'


async def test_a_patients_times_move_the_doses_to_come_at_once(clinic: Clinic) -> None:
    patient, medication = await planned(clinic)
    before = await rows(clinic, medication)
    path = f"/patients/{patient}/dosing-times"
    answer = await clinic.put(path, {**UNSET, "dinner": "19:30"}, headers={"If-Match": '"0"'})
    assert answer.json()["data"] == {
        "version": 1,
        "own": {**UNSET, "dinner": "19:30"},
        "effective": {**USUAL, "dinner": "19:30"},
    }
    assert (await clinic.get(path)).json()["data"] == answer.json()["data"]
    after = await rows(clinic, medication)
    assert [row.id for row in after] == [row.id for row in before]
    moved = [one.due_at - two.due_at for one, two in zip(after, before, strict=True)]
    assert moved == [timedelta(minutes=90), timedelta()] * 14
    again = await clinic.put(path, {**UNSET, "dinner": "19:30"}, headers={"If-Match": '"0"'})
    assert again.status_code == 412
    async with begin(clinic.caller) as tx:
        assert await tx.value(AUDITED, "patient", "update_dosing_times", patient) == 1
        assert await tx.value(AUDITED, "patient", "read_dosing_times", patient) == 1
        assert await tx.value(EVENTS) == 1


async def test_the_clinics_times_move_doses_by_the_loop_unless_the_patient_has_their_own(
    clinic: Clinic,
) -> None:
    own, mine = await planned(clinic)
    _, usual = await planned(clinic)
    await clinic.put(f"/patients/{own}/dosing-times", {**UNSET, "breakfast": "09:00"})
    answer = await clinic.put("/dosing-times", {**UNSET, "wake": "05:30", "breakfast": "06:00"})
    assert answer.json()["data"]["effective"] == {**USUAL, "wake": "05:30", "breakfast": "06:00"}
    assert (await rounds.run(clinic.tenant_id)).replanned == 2
    assert (await rows(clinic, usual))[1].due_at.hour == 11  # UTC
    assert (await rows(clinic, mine))[1].due_at.hour == 14
    shown = (await clinic.get(f"/patients/{own}/dosing-times")).json()["data"]
    assert shown["effective"] == {**USUAL, "wake": "05:30", "breakfast": "09:00"}
    assert (
        await clinic.put("/dosing-times", UNSET, headers={"If-Match": '"7"'})
    ).status_code == 412
    async with begin(clinic.caller) as tx:
        entity = ("tenant", "update_dosing_times", clinic.tenant_id)
        assert await tx.value(AUDITED, *entity) == 1


async def test_bed_may_be_after_midnight_and_a_day_at_night(clinic: Clinic) -> None:
    path = f"/patients/{(await clinic.patient())['id']}/dosing-times"
    assert (await clinic.put(path, {**UNSET, "bed": "00:30"})).status_code == 200
    night = {
        "wake": "17:00",
        "breakfast": "17:00",
        "lunch": "22:00",
        "dinner": "03:00",
        "bed": "08:00",
    }
    assert (await clinic.put(path, night)).status_code == 200


@pytest.mark.parametrize(
    ("times", "field", "status"),
    [
        ({"lunch": "07:30"}, "lunch", 422),
        ({"lunch": "18:00"}, "dinner", 422),
        ({"bed": "12:00"}, "bed", 422),
        ({"wake": "08:30"}, "lunch", 422),
        ({"dinner": "24:00"}, "dinner", 400),
        ({"supper": "20:00"}, "supper", 400),
    ],
)
async def test_times_that_make_no_day_are_refused(
    clinic: Clinic, times: dict[str, str], field: str, status: int
) -> None:
    patient = (await clinic.patient())["id"]
    for path in ("/dosing-times", f"/patients/{patient}/dosing-times"):
        answer = await clinic.put(path, {**UNSET, **times})
        assert answer.status_code == status
        assert answer.json()["error"]["details"][0]["field"] == field
        assert (await clinic.get(path)).json()["data"]["version"] == 0


async def test_what_is_taken_as_needed_is_answered_with_a_warning(
    clinic: Clinic, clock: Clock
) -> None:
    dosage = [
        {
            **timing(frequency=1, period=6, periodUnit="h")[0],
            "asNeededBoolean": True,
            "maxDosePerPeriod": {
                "numerator": {"value": 2, "unit": "tablet"},
                "denominator": {"value": 24, "unit": "h", "code": "h"},
            },
        }
    ]
    patient, medication = await planned(clinic, dosage)

    async def report(hours: float, status: str = "taken", corrects: UUID | None = None) -> UUID:
        key, at = new_id(), clock.at - timedelta(hours=hours)
        async with begin(clinic.caller) as tx:
            await tx.run(REPORT, key, clinic.tenant_id, medication, patient, at, status, corrects)
        return key

    async def warnings(without: UUID | None = None) -> list[str]:
        async with begin(clinic.caller) as tx:
            found = await prn_verdict(
                tx, medication_id=medication, taken_at=tx.now, without=without
            )
        return found.warnings

    assert await warnings() == []
    await report(20)
    assert await warnings() == []
    wrong = await report(2)
    assert await warnings() == ["too_many", "too_soon"]
    assert await warnings(without=wrong) == []
    await report(2, "skipped", corrects=wrong)
    assert await warnings() == []
