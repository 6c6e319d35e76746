"""Reports about doses: what is taken in, what is refused, and what a later report corrects."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.client import Clinic
from tests.medications.adherence.support import Taking, sql, taking
from tests.notifications.support import NOON, Clock

HOUR = timedelta(hours=1)


@pytest.fixture
async def metformin(clinic: Clinic, clock: Clock) -> Taking:
    """A medication with doses four hours ago, at noon, and in four hours and a day."""
    del clock
    made = await taking(clinic)
    await made.plan(NOON - 4 * HOUR, NOON, NOON + 4 * HOUR, NOON + 28 * HOUR)
    return made


def fault(response: Any) -> tuple[int, str, str]:
    """Return status, field and code of the one thing at fault."""
    [detail] = response.json()["error"]["details"]
    return response.status_code, detail["field"], detail["code"]


async def test_a_dose_is_taken(metformin: Taking, told: list[UUID]) -> None:
    response = await metformin.post(1, status="taken", taken_at=NOON.isoformat(), notes="With tea")
    assert response.status_code == 201
    made = response.json()["data"]
    assert (made["status"], made["was_taken"], made["late"]) == ("taken", True, False)
    assert (made["source"], made["corrects_id"], made["replaced"]) == ("patient", None, False)
    assert made["scheduled_time"] == made["taken_at"] == "2031-03-04T17:00:00Z"
    assert (made["notes"], made["warnings"]) == ("With tea", [])
    _, dose, *_ = await metformin.states()
    assert (dose.state, dose.source, dose.taken_at) == ("taken", "patient", NOON)
    assert told == [metformin.patient_id]
    [listed] = await metformin.reports()
    assert listed == {key: value for key, value in made.items() if key != "warnings"}


async def test_the_seeds_body_is_taken(metformin: Taking) -> None:
    body: dict[str, Any] = {
        "scheduled_time": NOON.isoformat(),
        "taken_at": NOON.isoformat(),
        "notes": None,
    }
    made = await metformin.report(was_taken=True, **body)
    assert (made["dose_id"], made["status"]) == (str(metformin.doses[1]), "taken")
    missed = await metformin.report(
        was_taken=False, scheduled_time=(NOON - 4 * HOUR).isoformat(), source="caregiver"
    )
    assert (missed["status"], missed["was_taken"], missed["late"]) == ("missed", False, None)
    skipped = await metformin.report(0, was_taken=False, reason="side_effects", source="staff")
    assert (skipped["status"], skipped["corrects_id"]) == ("skipped", missed["id"])


async def test_what_is_taken_after_its_window_is_late(metformin: Taking) -> None:
    on_the_hour = await metformin.report(0, status="taken", taken_at=(NOON - 3 * HOUR).isoformat())
    later = await metformin.report(0, status="taken")
    assert (on_the_hour["late"], later["late"]) == (False, True)
    assert later["taken_at"] == "2031-03-04T17:00:00Z"  # unless told, now


@pytest.mark.parametrize(
    ("minutes", "dose"), [(0, 1), (25, 1), (-119, 1), (-121, 0), (121, 2), (-300, 0), (400, 2)]
)
async def test_a_time_finds_the_nearest_dose_in_whose_window_it_lies(
    metformin: Taking, minutes: int, dose: int
) -> None:
    body: dict[str, Any] = {
        "status": "taken",
        "scheduled_time": (NOON + timedelta(minutes=minutes)).isoformat(),
        "taken_at": NOON.isoformat(),
    }
    made = await metformin.report(**body)
    assert made["dose_id"] == str(metformin.doses[dose])
    assert (await metformin.post(**body)).status_code == 200  # and finds it again


async def test_the_same_report_again_changes_nothing(metformin: Taking, told: list[UUID]) -> None:
    first = await metformin.report(1, status="taken", notes="Once")
    again = await metformin.post(1, status="taken", notes="Once")
    assert (again.status_code, again.json()["data"]) == (200, first)
    assert len(await metformin.reports()) == len(told) == 1
    other = await metformin.report(1, status="taken", notes="Twice")
    assert other["corrects_id"] == first["id"]


async def test_a_later_report_corrects_and_keeps_the_earlier(metformin: Taking) -> None:
    first = await metformin.report(1, status="missed")
    second = await metformin.report(1, status="skipped", reason="no_supply")
    third = await metformin.report(1, status="taken", source="device")
    chain = {one["id"]: one for one in await metformin.reports()}
    assert [chain[one["id"]]["replaced"] for one in (first, second, third)] == [True, True, False]
    assert chain[second["id"]]["corrects_id"] == first["id"]
    assert chain[third["id"]]["corrects_id"] == second["id"]
    assert chain[second["id"]]["reason"] == "no_supply"
    dose = (await metformin.states())[1]
    assert (dose.state, dose.source, dose.reason) == ("taken", "device", None)


async def test_a_report_can_be_neither_changed_nor_removed(
    metformin: Taking, clinic: Clinic
) -> None:
    await metformin.report(1, status="missed")
    for statement in (
        "UPDATE medication_adherence SET status = 'missed'",
        "DELETE FROM medication_adherence",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await sql(clinic, statement)


async def test_a_repeated_key_answers_the_same(metformin: Taking) -> None:
    headers = {"Idempotency-Key": "dose-1"}
    first = await metformin.post(1, status="missed", headers=headers)
    await metformin.report(1, status="taken")
    again = await metformin.post(1, status="missed", headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.json()["data"] == first.json()["data"]
    assert (await metformin.states())[1].state == "taken"
    other = await metformin.post(1, status="taken", headers=headers)
    assert other.json()["error"]["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.parametrize(
    ("dose", "body", "wanted"),
    [
        (1, {}, (400, "status", "missing")),
        (1, {"status": "eaten"}, (400, "status", "literal_error")),
        (1, {"status": "skipped"}, (400, "reason", "missing")),
        (1, {"status": "skipped", "reason": "bored"}, (400, "reason", "literal_error")),
        (1, {"status": "missed", "reason": "cost"}, (400, "reason", "contradiction")),
        (1, {"status": "taken", "was_taken": False}, (400, "was_taken", "contradiction")),
        (1, {"status": "missed", "taken_at": "2031-03-04T17:00:00Z"},
         (400, "taken_at", "contradiction")),
        (1, {"status": "taken", "source": "inference"}, (400, "source", "literal_error")),
        (1, {"status": "taken", "taken_at": "2031-03-04T17:06:00Z"}, (422, "taken_at", "future")),
        (1, {"status": "taken", "taken_at": "2030-12-31T17:00:00Z"},
         (422, "taken_at", "before_start")),
        (1, {"status": "taken", "scheduled_time": "2031-03-04T18:00:00Z"},
         (422, "scheduled_time", "mismatch")),
        (2, {"status": "missed"}, (422, "status", "future")),
        (3, {"status": "taken"}, (422, "status", "future")),
        (None, {"status": "taken"}, (400, "dose_id", "missing")),
        (None, {"status": "taken", "scheduled_time": "2031-02-04T18:00:00Z"},
         (422, "scheduled_time", "unknown")),
        (None, {"status": "taken", "dose_id": str(uuid4())}, (422, "dose_id", "unknown")),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_and_nothing_is_written(
    metformin: Taking, dose: int | None, body: dict[str, Any], wanted: tuple[int, str, str]
) -> None:
    response = await metformin.post(dose, **body)
    assert fault(response) == wanted, response.text
    assert await metformin.reports() == []
    assert {one.state for one in await metformin.states()} == {"planned"}


async def test_a_clock_that_is_a_little_fast_is_forgiven(metformin: Taking) -> None:
    made = await metformin.report(1, status="taken", taken_at="2031-03-04T17:04:00Z")
    assert made["taken_at"] == "2031-03-04T17:00:00Z"


async def test_an_evening_dose_may_be_taken_early(metformin: Taking) -> None:
    made = await metformin.report(2, status="taken")
    assert made["late"] is False


async def test_a_dose_of_another_medication_is_none_of_this(
    metformin: Taking, clinic: Clinic
) -> None:
    other = await taking(clinic, metformin.patient_id)
    response = await other.post(status="taken", dose_id=str(metformin.doses[0]))
    assert fault(response) == (422, "dose_id", "unknown")


@pytest.mark.parametrize("state", ["cancelled", "not_applicable"])
async def test_a_dose_that_was_given_up_has_no_report(
    metformin: Taking, clinic: Clinic, state: str
) -> None:
    await sql(
        clinic, "UPDATE medication_doses SET state = $1 WHERE id = $2", state, metformin.doses[1]
    )
    response = await metformin.post(1, status="taken")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "DOSE_STATE")
    near = await metformin.post(status="taken", scheduled_time=NOON.isoformat())
    assert near.json()["data"]["dose_id"] != str(metformin.doses[1])


async def test_a_draft_is_not_taken_and_a_stopped_one_was(
    metformin: Taking, clinic: Clinic
) -> None:
    draft = await taking(clinic, status="draft")
    await draft.plan(NOON)
    response = await draft.post(0, status="taken")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "MEDICATION_STATE")
    await sql(
        clinic, "UPDATE medications SET status = 'stopped', stopped_at = $1 WHERE id = $2",
        NOON - HOUR, metformin.id,
    )  # fmt: skip
    assert (await metformin.report(0, status="taken"))["status"] == "taken"


async def test_as_needed_there_is_no_dose(clinic: Clinic, clock: Clock) -> None:
    del clock
    made = await taking(clinic, as_needed=True)
    first = await made.report(status="taken", taken_at="2031-03-04T12:00:00Z")
    assert (first["dose_id"], first["scheduled_time"]) == (None, first["taken_at"])
    assert first["late"] is None
    again = await made.post(status="taken", taken_at="2031-03-04T12:00:00Z")
    assert (again.status_code, again.json()["data"]["id"]) == (200, first["id"])
    second = await made.report(status="taken", taken_at="2031-03-04T16:00:00Z")
    skipped = await made.report(status="skipped", reason="felt_well")
    assert [one["id"] for one in await made.reports()] == [
        skipped["id"], second["id"], first["id"],
    ]  # fmt: skip
    missed = await made.post(status="missed")
    assert fault(missed) == (422, "status", "as_needed")
    future = await made.post(status="skipped", reason="cost", scheduled_time="2031-03-05T12:00:00Z")
    assert fault(future) == (422, "scheduled_time", "future")
    await sql(
        clinic, "UPDATE medications SET status = 'stopped', stopped_at = $1 WHERE id = $2",
        NOON - 3 * HOUR, made.id,
    )  # fmt: skip
    stopped = await made.post(status="taken", taken_at="2031-03-04T16:30:00Z")
    assert fault(stopped) == (422, "taken_at", "stopped")
    assert (await made.report(status="taken", taken_at="2031-03-04T13:30:00Z"))["id"]


async def test_a_medication_nobody_knows(clinic: Clinic, metformin: Taking) -> None:
    await clinic.delete(f"/patients/{metformin.patient_id}")
    for medication_id in (uuid4(), metformin.id):
        path = f"/medications/{medication_id}/adherence"
        assert (await clinic.post(path, {"status": "taken"})).status_code == 404
        assert (await clinic.get(path)).status_code == 404
        assert (await clinic.get(f"{path}/rate")).status_code == 404


async def test_reports_are_listed_in_pages(metformin: Taking, clinic: Clinic) -> None:
    ids = [(await metformin.report(n, status="taken"))["id"] for n in range(3)]
    seen, cursor = [], None
    while True:
        found = await clinic.get(
            metformin.path, params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        seen += [one["id"] for one in found.json()["data"]["items"]]
        cursor = found.json()["data"]["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


async def test_every_write_is_audited_and_every_report_is_an_event(
    metformin: Taking, clinic: Clinic
) -> None:
    made = await metformin.report(1, status="missed", source="staff")
    await metformin.report(1, status="taken", source="staff")
    changes = await sql(
        clinic, "SELECT jsonb_agg(changes ORDER BY id) FROM audit_logs"
        " WHERE entity_type = 'medication_adherence' AND action = 'create'",
    )  # fmt: skip
    assert [one["before"]["status"] for one in changes] == [None, "missed"]
    assert [one["after"]["status"] for one in changes] == ["missed", "taken"]
    payloads = await sql(
        clinic, "SELECT jsonb_agg(payload ORDER BY id) FROM outbox"
        " WHERE event_type = 'medication.dose.recorded'",
    )  # fmt: skip
    assert payloads[0] == {"medication_id": str(metformin.id), "dose_id": made["dose_id"]}
    assert len(payloads) == 2


async def test_the_rate_is_cached_until_a_report_changes_it(
    metformin: Taking, clinic: Clinic, clock: Clock
) -> None:
    async def rate() -> tuple[float | None, int, int]:
        found = (await clinic.get(f"{metformin.path}/rate")).json()["data"]["rate"]
        return found["value"], found["numerator"], found["denominator"]

    assert await rate() == (None, 0, 0)
    await sql(
        clinic, "UPDATE medication_doses SET state = 'missed', source = 'staff' WHERE id = $1",
        metformin.doses[1],
    )  # fmt: skip
    assert await rate() == (None, 0, 0)  # cached
    await metformin.report(0, status="taken")
    assert await rate() == (50.0, 1, 2)
    clock.forward(hours=5)
    await metformin.report(2, status="taken")
    assert await rate() == (66.7, 2, 3)


async def test_the_medication_begins_on_a_day_of_the_patient(clinic: Clinic, clock: Clock) -> None:
    del clock
    made = await taking(clinic, start_date=date(2031, 3, 4))
    await made.plan(NOON)
    refused = await made.post(0, status="taken", taken_at="2031-03-04T04:59:00Z")  # 23:59 there
    assert fault(refused) == (422, "taken_at", "before_start")
    assert (await made.report(0, status="taken", taken_at="2031-03-04T05:00:00Z"))["id"]
