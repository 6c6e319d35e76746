"""Series through the public API: the modes, dry runs, what is refused, races."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import queries, rules
from tests.client import Clinic
from tests.scheduling.series.conftest import Clock, Stage


def starts(data: dict[str, Any]) -> list[str]:
    """Return local starts as `02-03 09:00`, and `-` for what could not be booked."""
    return [
        "-" if one["local_start"] is None else
        f"{datetime.fromisoformat(one['local_start']):%m-%d %H:%M}"
        for one in data["occurrences"]
    ]  # fmt: skip


def results(data: dict[str, Any]) -> list[str]:
    return [one["result"] for one in data["occurrences"]]


TUESDAYS = [
    "02-03 09:00",
    "02-10 09:00",
    "02-17 09:00",
    "02-24 09:00",
    "03-03 09:00",
    "03-10 09:00",
]


async def test_a_series_is_booked_and_read_back(stage: Stage) -> None:
    body = stage.body(series_name="Infusions", reason="Iron")
    response = await stage.clinic.post("/appointments/batch", body)
    data = response.json()["data"]
    assert response.status_code == 201
    assert starts(data) == TUESDAYS
    assert results(data) == ["booked"] * 6
    assert (data["booked"], data["moved"], data["failed"]) == (6, 0, 0)
    series = data["series"]
    assert response.headers["location"].endswith(f"/appointments/series/{series['id']}")
    assert series["recurrence_pattern"] == "FREQ=WEEKLY;COUNT=6"
    assert (series["series_start_date"], series["series_end_date"]) == ("2026-02-03", "2026-03-10")
    assert (series["total_appointments"], series["completed_appointments"]) == (6, 0)
    read = await stage.series(series["id"])
    visits = read.pop("appointments")
    assert read == series
    assert [one["appointment_id"] for one in visits] == [
        one["appointment_id"] for one in data["occurrences"]
    ]
    for one in data["occurrences"]:
        visit = (await stage.clinic.get(f"/appointments/{one['appointment_id']}")).json()["data"]
        assert visit["series_id"] == series["id"]
        assert visit["recurrence_id"] == visit["scheduled_start"] == one["scheduled_start"]
        assert (visit["reason"], visit["duration_minutes"]) == ("Iron", 60)


async def test_the_wall_time_stays_when_clocks_change(stage: Stage) -> None:
    data = await stage.book()
    utc = [one["scheduled_start"][11:16] for one in data["occurrences"]]
    assert utc == ["14:00"] * 5 + ["13:00"]  # clocks go forward on 8 March


async def test_the_patient_gets_one_confirmation_and_the_reminders_of_every_visit(
    stage: Stage,
) -> None:
    await stage.book()
    listed = await stage.clinic.get(
        f"/patients/{stage.patient_id}/notifications", params={"limit": 200}
    )
    kinds = [one["notification_type"] for one in listed.json()["data"]["items"]]
    assert kinds.count("appointment_confirmation") == 1
    assert kinds.count("appointment_reminder") == 18


async def test_all_or_nothing_names_every_visit_in_the_way_and_writes_nothing(
    stage: Stage,
) -> None:
    await stage.visit("2026-02-10T09:30:00-05:00")
    await stage.visit("2026-02-24T14:00:00Z", patient_id=stage.patient_id)
    before = await stage.rows()
    refused = await stage.clinic.post("/appointments/batch", stage.body())
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "SERIES_CONFLICT"
    assert [one["field"] for one in error["details"]] == [
        "occurrences.1", "occurrences.3", "occurrences.3",
    ]  # fmt: skip
    told = error["data"]["occurrences"]
    assert [one["result"] for one in told] == [
        "booked",
        "failed",
        "booked",
        "failed",
        "booked",
        "booked",
    ]
    assert [fault["field"] for fault in told[3]["faults"]] == ["provider_id", "patient_id"]
    assert await stage.rows() == before


async def test_skip_conflicts_leaves_out_what_cannot_be(stage: Stage) -> None:
    await stage.visit("2026-02-10T09:30:00-05:00")
    await stage.visit("2026-03-10T09:30:00-04:00")
    data = await stage.book(mode="skip_conflicts")
    assert results(data) == ["booked", "failed", "booked", "booked", "booked", "failed"]
    assert data["series"]["series_end_date"] == "2026-03-03"
    assert starts(data)[1] == "-"
    assert data["series"]["total_appointments"] == 4
    assert len((await stage.series(data["series"]["id"]))["appointments"]) == 4


async def test_next_best_moves_to_the_nearest_free_time(stage: Stage) -> None:
    await stage.visit("2026-02-10T09:30:00-05:00")
    data = await stage.book(mode="next_best")
    moved = data["occurrences"][1]
    assert moved["result"] == "moved"
    assert starts(data)[1] == "02-10 10:30"  # nothing is free nearer: the day begins at nine
    assert moved["moved_minutes"] == 90
    assert moved["faults"][0]["field"] == "provider_id"
    assert moved["recurrence_id"] == "2026-02-10T14:00:00Z"
    assert (data["booked"], data["moved"], data["failed"]) == (5, 1, 0)


async def full_day(stage: Stage, day: str, **fields: Any) -> None:
    await stage.visit(f"{day}T09:00:00-05:00", duration_minutes=480, **fields)


async def test_next_best_goes_no_further_than_told(stage: Stage) -> None:
    await full_day(stage, "2026-02-10")
    await full_day(stage, "2026-02-11")
    body = stage.body(mode="next_best", max_shift_days=0)
    none = (await stage.clinic.post("/appointments/batch", {**body, "dry_run": True})).json()
    assert results(none["data"])[1] == "failed"
    near = (await stage.clinic.post("/appointments/batch", {**body, "max_shift_days": 1})).json()
    assert starts(near["data"])[1] == "02-09 09:00"  # the day after is full as well


async def test_next_best_keeps_the_weekday_or_the_provider(stage: Stage) -> None:
    colleague = await stage.colleague()
    await full_day(stage, "2026-02-10")
    told = {"mode": "next_best", "dry_run": True, "alternative_provider_ids": [colleague]}
    for prefer, start, provider in [
        ("same_provider", "02-11 09:00", stage.provider_id),
        ("same_weekday", "02-10 09:00", colleague),
    ]:
        answered = await stage.clinic.post("/appointments/batch", stage.body(**told, prefer=prefer))
        moved = answered.json()["data"]["occurrences"][1]
        assert moved["result"] == "moved"
        assert starts(answered.json()["data"])[1] == start
        assert moved["provider_id"] == provider


async def test_the_same_weekday_is_another_week_where_nobody_else_is(stage: Stage) -> None:
    await full_day(stage, "2026-02-10")
    body = stage.body(
        mode="next_best", prefer="same_weekday", max_shift_days=14, dry_run=True,
        recurrence={"rrule": "FREQ=WEEKLY;INTERVAL=4;COUNT=3"}, first_date="2026-02-10",
    )  # fmt: skip
    data = (await stage.clinic.post("/appointments/batch", body)).json()["data"]
    assert starts(data)[0] == "02-17 09:00"  # later of two as near


async def test_a_moved_visit_takes_neither_the_time_nor_the_day_of_another(stage: Stage) -> None:
    await full_day(stage, "2026-02-04")
    body = stage.body(
        mode="next_best", recurrence={"rrule": "FREQ=DAILY;COUNT=4"}, max_shift_days=5
    )
    data = (await stage.clinic.post("/appointments/batch", body)).json()["data"]
    assert starts(data) == ["02-03 09:00", "02-02 09:00", "02-05 09:00", "02-06 09:00"]


@pytest.mark.parametrize("mode", ["all_or_nothing", "next_best", "skip_conflicts"])
async def test_a_dry_run_says_what_the_real_one_does_and_writes_nothing(
    stage: Stage, mode: str
) -> None:
    await stage.visit("2026-02-10T09:30:00-05:00")
    if mode != "all_or_nothing":
        await full_day(stage, "2026-02-24")
    before = await stage.rows()
    first = "2026-02-17" if mode == "all_or_nothing" else "2026-02-03"
    body = stage.body(mode=mode, first_date=first)
    dry = await stage.clinic.post("/appointments/batch", {**body, "dry_run": True})
    assert dry.status_code == 200
    after = await stage.rows()
    assert after.pop("audit_logs") == before.pop("audit_logs") + 1  # that somebody looked
    assert after == before
    real = await stage.book(**body)
    planned = dry.json()["data"]
    assert planned["dry_run"] is True
    assert planned["series"]["id"] is None
    for one in [*planned["occurrences"], *real["occurrences"]]:
        one.pop("appointment_id")
    for data in (planned, real):
        data["series"].pop("id")
        data.pop("dry_run")
    assert planned == real


async def test_a_dry_run_of_all_or_nothing_answers_what_is_in_the_way(stage: Stage) -> None:
    await stage.visit("2026-02-10T09:30:00-05:00")
    dry = await stage.clinic.post("/appointments/batch", stage.body(dry_run=True))
    assert dry.status_code == 200
    assert results(dry.json()["data"]).count("failed") == 1


@pytest.mark.parametrize("mode", ["next_best", "skip_conflicts"])
async def test_a_series_without_any_visit_is_none(stage: Stage, mode: str) -> None:
    await stage.hours(stage.provider_id, "20:00", "20:30")
    before = await stage.rows()
    refused = await stage.clinic.post("/appointments/batch", stage.body(mode=mode))
    assert refused.status_code == 409
    assert {one["code"] for one in refused.json()["error"]["details"]} == {"availability"}
    assert await stage.rows() == before


async def test_staff_set_hours_aside_for_a_whole_series(stage: Stage) -> None:
    override = {"allow": ["outside_availability"], "reason": "Dialysis runs at night"}
    late = stage.body(local_time="22:00")
    assert (await stage.clinic.post("/appointments/batch", late)).status_code == 409
    data = await stage.book(local_time="22:00", override=override)
    assert results(data) == ["booked"] * 6


async def test_cycles_patterns_and_dates(stage: Stage) -> None:
    cycles = {"count": 2, "length_days": 21, "days": [1, 8]}
    data = await stage.book(recurrence={"cycles": cycles})
    assert starts(data) == ["02-03 09:00", "02-10 09:00", "02-24 09:00", "03-03 09:00"]
    assert data["series"]["recurrence_pattern"] == "CYCLES=2;LENGTH=21;DAYS=1,8"
    data = await stage.book(
        recurrence={"pattern": "monthly", "until": "2026-06-30"}, first_date="2026-04-01",
        exdates=["2026-05-01"], rdates=["2026-05-04T10:30"],
    )  # fmt: skip
    assert starts(data) == ["04-01 09:00", "05-04 10:30", "06-01 09:00"]
    assert data["series"]["rdates"] == ["2026-05-04T10:30"]
    data = await stage.book(recurrence=None, first_date="2026-07-01", rdates=["2026-07-09"])
    assert starts(data) == ["07-01 09:00", "07-09 09:00"]


async def test_rooms_and_others_are_taken_for_every_visit(stage: Stage) -> None:
    nurse = await stage.colleague()
    room = await new_room(stage)
    data = await stage.book(additional_provider_ids=[nurse], resource_ids=[room])
    async with begin(stage.clinic.caller) as tx:
        taken = await tx.value(Command("SELECT count(*) FROM occupancy"))
    assert taken == 6 * 4
    assert data["booked"] == 6
    rival = stage.body(
        patient_id=(await stage.clinic.patient())["id"], provider_id=await stage.colleague(),
        resource_ids=[room],
    )  # fmt: skip
    refused = await stage.clinic.post("/appointments/batch", rival)
    faults = refused.json()["error"]["data"]["occurrences"][0]["faults"]
    assert [one["field"] for one in faults] == ["resource_ids.0"]


_ROOM = Command(
    "INSERT INTO resource (id, tenant_id, kind, facility_id, name, category)"
    " VALUES (gen_random_uuid(), $1, 'room', $2, 'Infusion 1', 'infusion') RETURNING id"
)


async def new_room(stage: Stage) -> str:
    async with begin(stage.clinic.caller) as tx:
        return str(await tx.value(_ROOM, stage.clinic.tenant_id, stage.facility_id))


async def test_the_most_visits_of_a_day_hold_within_a_series(stage: Stage) -> None:
    async with begin(stage.clinic.caller) as tx:
        await tx.run(Command("UPDATE providers SET max_daily_capacity = 2"))
    data = await stage.book(
        recurrence={"rrule": "FREQ=DAILY;COUNT=2"}, mode="skip_conflicts",
        rdates=["2026-02-03T10:00", "2026-02-03T11:00", "2026-02-03T12:00"],
    )  # fmt: skip
    assert starts(data) == ["02-03 09:00", "02-03 10:00", "-", "-", "02-04 09:00"]
    assert data["occurrences"][2]["faults"][0]["code"] == "daily_maximum"


async def test_visits_of_one_series_never_overlap(stage: Stage) -> None:
    refused = await stage.clinic.post(
        "/appointments/batch", stage.body(rdates=["2026-02-03T09:30"])
    )
    assert [one["field"] for one in refused.json()["error"]["details"]] == ["occurrences.1"] * 2


async def test_the_same_key_books_one_series(stage: Stage) -> None:
    header = {"Idempotency-Key": "cycle-1"}
    answers = await asyncio.gather(
        *(stage.clinic.post("/appointments/batch", stage.body(), headers=header) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["data"]["series"]["id"] for answer in answers}) == 1
    async with begin(stage.clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM appointments")) == 6


async def test_of_crossing_series_for_one_provider_one_wins(stage: Stage) -> None:
    """Each has looked and seen its times free before any of them has the locks."""
    patients = [(await stage.clinic.patient())["id"] for _ in range(4)]
    rules_ = ["FREQ=WEEKLY;COUNT=6", "FREQ=DAILY;COUNT=40"] * 2
    rivals = [
        stage.body(patient_id=patient, recurrence={"rrule": rule})
        for patient, rule in zip(patients, rules_, strict=True)
    ]
    keys = rules.lock_keys(stage.clinic.tenant_id, [UUID(stage.provider_id)])
    waiting = Command("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with begin(stage.clinic.caller) as tx:
        await tx.values(queries.LOCK, keys)
        racing = [
            asyncio.create_task(stage.clinic.post("/appointments/batch", rival)) for rival in rivals
        ]
        async with asyncio.timeout(1.8):  # within the lock's own limit
            while await tx.value(waiting) < len(rivals):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
    answers = await asyncio.gather(*racing)
    codes = [answer.json().get("error", {}).get("code", "booked") for answer in answers]
    assert sorted(codes) == ["SERIES_CONFLICT"] * 3 + ["booked"]
    async with begin(stage.clinic.caller) as tx:
        assert await tx.value(OVERLAPS) == 0
        assert await tx.value(Command("SELECT count(*) FROM appointment_series")) == 1


async def test_a_visit_and_a_series_that_race_never_share_a_time(stage: Stage) -> None:
    bodies = [stage.body(patient_id=(await stage.clinic.patient())["id"], mode="next_best")]
    bodies += [stage.body(patient_id=(await stage.clinic.patient())["id"], mode="skip_conflicts")]
    alone = {
        "provider_id": stage.provider_id, "facility_id": stage.facility_id,
        "appointment_type": "follow_up", "duration_minutes": 45,
        "patient_id": (await stage.clinic.patient())["id"],
    }  # fmt: skip
    for day in ("2026-02-10", "2026-02-24", "2026-03-03"):
        single = stage.clinic.post(
            "/appointments", {**alone, "scheduled_start": f"{day}T09:20:00-05:00"}
        )
        answers = await asyncio.gather(
            single, *(stage.clinic.post("/appointments/batch", body) for body in bodies)
        )
        assert {answer.status_code for answer in answers} <= {201, 409}
        async with begin(stage.clinic.caller) as tx:
            assert await tx.value(OVERLAPS) == 0


OVERLAPS = Command(
    "SELECT count(*) FROM appointments a JOIN appointments b ON a.id < b.id"
    " AND a.provider_id = b.provider_id AND a.scheduled_start < b.scheduled_end"
    " AND b.scheduled_start < a.scheduled_end WHERE a.status <> 'cancelled'"
    " AND b.status <> 'cancelled'"
)

UNKNOWN = "01900000-0000-7000-8000-000000000000"
BAD: list[tuple[dict[str, Any], str, int]] = [
    ({"recurrence": {"rrule": "FREQ=WEEKLY"}}, "recurrence", 400),
    ({"recurrence": {"rrule": "FREQ=WEEKLY;COUNT=1000000000"}}, "recurrence.rrule", 400),
    ({"recurrence": {"rrule": "FREQ=WEEKLY", "count": 1_000_000_000}}, "recurrence.count", 400),
    ({"recurrence": {"rrule": "FREQ=SECONDLY;COUNT=5"}}, "recurrence.rrule", 400),
    ({"recurrence": {"rrule": "FREQ=DAILY;UNTIL=20990101"}}, "recurrence", 422),
    ({"recurrence": {"rrule": "FREQ=YEARLY;COUNT=9"}}, "recurrence", 422),
    (
        {"recurrence": {"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=9"}},
        "recurrence",
        422,
    ),
    ({"recurrence": {"rrule": "FREQ=DAILY;COUNT=5\u0000"}}, "recurrence.rrule", 400),
    ({"recurrence": {}}, "recurrence", 400),
    ({"recurrence": {"rrule": "FREQ=DAILY;COUNT=5", "pattern": "daily"}}, "recurrence", 400),
    ({"recurrence": {"pattern": "fortnightly", "count": 3}}, "recurrence.pattern", 400),
    ({"recurrence": {"pattern": "weekly"}}, "recurrence", 400),
    (
        {"recurrence": {"cycles": {"count": 2, "length_days": 5, "days": [6]}}},
        "recurrence.cycles.days",
        400,
    ),
    (
        {"recurrence": {"cycles": {"count": 2, "length_days": 5, "days": [1]}, "count": 3}},
        "recurrence",
        400,
    ),
    ({"first_date": "2025-12-30"}, "first_date", 422),
    ({"first_date": "2026-01-05", "local_time": "06:00"}, "first_date", 422),
    ({"first_date": "2028-12-30"}, "first_date", 422),
    ({"first_date": "2026-02-30"}, "first_date", 400),
    ({"local_time": "25:00"}, "local_time", 400),
    ({"local_time": "24:00"}, "local_time", 400),
    ({"rdates": ["2025-02-03"]}, "rdates", 422),
    ({"rdates": ["tomorrow"]}, "rdates.0", 400),
    ({"exdates": ["2026-02-03", "2026-13-01"]}, "exdates.1", 400),
    ({"time_zone": "Mars/Olympus"}, "time_zone", 400),
    ({"scheduled_start": "2026-02-03T09:00:00Z"}, "scheduled_start", 400),
    ({"duration_minutes": 0}, "duration_minutes", 400),
    ({"duration_minutes": 45_000}, "duration_minutes", 400),
    ({"mode": "best_effort"}, "mode", 400),
    ({"max_shift_days": 400}, "max_shift_days", 400),
    ({"provider_id": UNKNOWN}, "provider_id", 422),
    ({"patient_id": UNKNOWN}, "patient_id", 422),
    ({"facility_id": UNKNOWN}, "facility_id", 422),
    ({"resource_ids": [UNKNOWN]}, "resource_ids.0", 422),
    (
        {"mode": "next_best", "alternative_provider_ids": [UNKNOWN]},
        "alternative_provider_ids.0",
        422,
    ),
]


@pytest.mark.parametrize(("fields", "named", "status"), BAD, ids=lambda value: str(value)[:60])
async def test_bad_series_name_the_field_and_write_nothing(
    stage: Stage, fields: dict[str, Any], named: str, status: int
) -> None:
    before = await stage.rows()
    refused = await stage.clinic.post("/appointments/batch", stage.body(**fields))
    assert refused.status_code == status, refused.text
    assert {detail["field"] for detail in refused.json()["error"]["details"]} == {named}
    assert await stage.rows() == before


async def test_rules_are_set_aside_only_with_the_scope(stage: Stage) -> None:
    override = {"allow": ["outside_availability"], "reason": "x"}
    data = await stage.book(override=override)
    visit = data["occurrences"][0]["appointment_id"]
    read = (await stage.clinic.get(f"/appointments/{visit}")).json()["data"]
    assert read["override"] == override


async def test_a_patients_series_are_listed(stage: Stage) -> None:
    ids = [
        (await stage.book(first_date=first))["series"]["id"]
        for first in ("2026-02-03", "2026-02-04", "2026-02-05")
    ]
    path = f"/patients/{stage.patient_id}/series"
    page = (await stage.clinic.get(path, params={"limit": 2})).json()["data"]
    rest = (await stage.clinic.get(path, params={"cursor": page["next_cursor"]})).json()["data"]
    assert [one["id"] for one in [*page["items"], *rest["items"]]] == ids
    assert rest["next_cursor"] is None
    assert (await stage.clinic.get(f"/patients/{UNKNOWN}/series")).status_code == 404


async def test_another_clinics_series_is_unknown(stage: Stage, other_clinic: Clinic) -> None:
    made = await stage.book()
    path = f"/appointments/series/{made['series']['id']}"
    assert (await other_clinic.get(path)).status_code == 404
    edit = {"scope": "all", "local_time": "10:00"}
    assert (await other_clinic.post(f"{path}/edit", edit)).status_code == 404
    gone = {"scope": "all", "cancellation_reason": "x"}
    assert (await other_clinic.delete(path, json=gone)).status_code == 404


async def test_series_are_audited_and_told(stage: Stage) -> None:
    made = await stage.book()
    await stage.series(made["series"]["id"])
    async with begin(stage.clinic.caller) as tx:
        actions = await tx.values(
            Command(
                "SELECT action FROM audit_logs WHERE entity_type = 'appointment_series'"
                " ORDER BY created_at, id"
            )
        )
        visits = await tx.value(
            Command(
                "SELECT count(*) FROM audit_logs WHERE entity_type = 'appointment'"
                " AND action = 'create'"
            )
        )
        events = await tx.values(
            Command("SELECT event_type FROM outbox WHERE entity_type LIKE 'appointment%'")
        )
    assert sorted(actions) == ["create", "read"]
    assert visits == 6
    assert sorted(events) == ["appointment.created"] * 6 + ["series.created"]


async def test_a_series_that_begins_today_begins_later_today(stage: Stage, clock: Clock) -> None:
    clock.at += timedelta(hours=1, minutes=59)  # 08:59 in New York
    data = await stage.book(first_date="2026-01-05")
    assert starts(data)[0] == "01-05 09:00"
