"""Changes of series: this visit, this and following, all; their cancellation; what is counted."""

from datetime import datetime
from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from tests.scheduling.series.conftest import Clock, Stage


async def edit(stage: Stage, series_id: str, status: int = 200, **body: Any) -> dict[str, Any]:
    response = await stage.clinic.post(f"/appointments/series/{series_id}/edit", body)
    assert response.status_code == status, response.text
    answered: dict[str, Any] = response.json()["data" if status == 200 else "error"]
    return answered


async def cancel(stage: Stage, series_id: str, status: int = 200, **body: Any) -> dict[str, Any]:
    told = {"cancellation_reason": "Therapy has ended", **body}
    response = await stage.clinic.delete(f"/appointments/series/{series_id}", json=told)
    assert response.status_code == status, response.text
    answered: dict[str, Any] = response.json()["data" if status == 200 else "error"]
    return answered


async def held(stage: Stage, series_id: str) -> list[str]:
    """Return the visits of a series: `02-03 09:00`, `x` behind those that are cancelled."""
    series = await stage.series(series_id)
    return [
        f"{datetime.fromisoformat(one['local_start']):%m-%d %H:%M}"
        + (" x" if one["status"] == "cancelled" else "")
        + (" alone" if one["series_exception"] else "")
        for one in series["appointments"]
    ]


async def booked(stage: Stage, **fields: Any) -> tuple[str, list[str]]:
    """Book a series; return its id and the ids of its visits."""
    made = await stage.book(**fields)
    return made["series"]["id"], [one["appointment_id"] for one in made["occurrences"]]


async def test_all_visits_to_come_move_to_another_time_of_day(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    done = await edit(stage, series_id, scope="all", local_time="10:30")
    assert [one["result"] for one in done["occurrences"]] == ["changed"] * 6
    assert await held(stage, series_id) == [
        f"{day} 10:30" for day in ("02-03", "02-10", "02-17", "02-24", "03-03", "03-10")
    ]
    utc = [one["scheduled_start"][11:16] for one in done["occurrences"]]
    assert utc == ["15:30"] * 5 + ["14:30"]
    assert done["series"]["local_time"] == "10:30"
    assert done["series"]["version"] == 2
    visit = (await stage.clinic.get(f"/appointments/{visits[0]}")).json()["data"]
    assert (visit["sequence"], visit["reschedule_count"], visit["version"]) == (1, 1, 2)
    assert visit["recurrence_id"] == visit["scheduled_start"]
    await stage.visit("2026-02-03T09:00:00-05:00")  # the old time is free


async def test_the_patient_is_told_once_that_a_series_moved(stage: Stage) -> None:
    series_id, _ = await booked(stage)
    await edit(stage, series_id, scope="all", local_time="10:30")
    listed = await stage.clinic.get(
        f"/patients/{stage.patient_id}/notifications", params={"limit": 200}
    )
    open_ = [
        one["notification_type"]
        for one in listed.json()["data"]["items"]
        if one["delivery_status"] == "pending"
    ]
    assert open_.count("appointment_rescheduled") == 1
    assert open_.count("appointment_reminder") == 18
    assert len(open_) == 19


async def test_visits_may_move_into_each_others_old_times(stage: Stage) -> None:
    series_id, _ = await booked(
        stage, recurrence={"rrule": "FREQ=DAILY;COUNT=5"}, duration_minutes=240
    )
    await edit(stage, series_id, scope="all", local_time="11:00")
    assert (await held(stage, series_id))[0] == "02-03 11:00"


async def test_one_visit_is_changed_by_itself_and_then_left_alone(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    done = await edit(
        stage, series_id, scope="this", appointment_id=visits[2], local_time="14:00", reason="Scan"
    )
    assert len(done["occurrences"]) == 1
    visit = (await stage.clinic.get(f"/appointments/{visits[2]}")).json()["data"]
    assert visit["reason"] == "Scan"
    assert visit["recurrence_id"] == "2026-02-17T14:00:00Z"  # where the series has it
    await edit(stage, series_id, scope="all", local_time="10:00")
    assert await held(stage, series_id) == [
        "02-03 10:00", "02-10 10:00", "02-17 14:00 alone", "02-24 10:00", "03-03 10:00",
        "03-10 10:00",
    ]  # fmt: skip


async def test_a_visit_that_is_moved_as_any_other_is_an_exception(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    path = f"/appointments/{visits[1]}/reschedule"
    moved = await stage.clinic.post(path, {"scheduled_start": "2026-02-11T15:00:00-05:00"})
    assert moved.status_code == 200
    assert moved.json()["data"]["series_exception"] is True
    assert (await held(stage, series_id))[1] == "02-11 15:00 alone"


async def test_this_and_following_splits_the_series(stage: Stage) -> None:
    series_id, visits = await booked(stage, exdates=["2026-02-24"], rdates=["2026-03-12"])
    await edit(stage, series_id, scope="this", appointment_id=visits[3], local_time="15:00")
    colleague = await stage.colleague()
    done = await edit(
        stage, series_id, scope="this_and_following", appointment_id=visits[2],
        provider_id=colleague, local_time="08:00",
    )  # fmt: skip
    new = done["series"]
    assert new["id"] != series_id
    assert new["split_from_id"] == series_id
    assert new["recurrence_pattern"] == "FREQ=WEEKLY;COUNT=4"
    assert new["series_start_date"] == "2026-02-17"
    assert new["exdates"] == ["2026-02-24"]
    assert new["rdates"] == ["2026-03-12"]
    assert (new["provider_id"], new["total_appointments"]) == (colleague, 4)
    old = await stage.series(series_id)
    assert old["recurrence_pattern"] == "FREQ=WEEKLY;UNTIL=20260210"
    assert old["series_end_date"] == "2026-02-10"
    assert (old["total_appointments"], old["version"]) == (2, 2)
    assert await held(stage, series_id) == ["02-03 09:00", "02-10 09:00"]
    assert await held(stage, new["id"]) == [
        "02-17 08:00", "03-03 15:00 alone", "03-10 08:00", "03-12 08:00",
    ]  # fmt: skip


async def test_from_the_first_visit_on_is_the_series_itself(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    done = await edit(
        stage, series_id, scope="this_and_following", appointment_id=visits[0], local_time="10:00"
    )
    assert done["series"]["id"] == series_id
    assert done["series"]["recurrence_pattern"] == "FREQ=WEEKLY;COUNT=6"


async def test_what_is_past_or_done_stays(stage: Stage, clock: Clock) -> None:
    series_id, visits = await booked(stage)
    clock.forward(days=36, hours=2)  # 10 February, nine o'clock
    for step in ("checkin", "complete"):
        taken = await stage.clinic.post(f"/appointments/{visits[1]}/{step}")
        assert taken.status_code == 200
    await edit(stage, series_id, scope="all", local_time="10:00")
    assert (await held(stage, series_id))[:3] == ["02-03 09:00", "02-10 09:00", "02-17 10:00"]
    series = await stage.series(series_id)
    assert (series["total_appointments"], series["completed_appointments"]) == (6, 1)


async def test_a_change_that_one_visit_cannot_follow_changes_none(stage: Stage) -> None:
    series_id, _ = await booked(stage)
    await stage.visit("2026-02-17T11:00:00-05:00")
    was = await held(stage, series_id)
    before = await stage.rows()
    refused = await edit(stage, series_id, 409, scope="all", local_time="10:30")
    assert refused["code"] == "SERIES_CONFLICT"
    assert [one["field"] for one in refused["details"]] == ["occurrences.2"]
    closed = await edit(stage, series_id, 409, scope="all", local_time="16:30")
    assert {one["code"] for one in closed["details"]} == {"availability"}
    assert await stage.rows() == before
    assert await held(stage, series_id) == was


async def test_a_dry_run_changes_nothing(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    was = await held(stage, series_id)
    body: dict[str, Any] = {
        "scope": "this_and_following",
        "appointment_id": visits[3],
        "local_time": "10:30",
    }
    before = await stage.rows()
    planned = await edit(stage, series_id, **body, dry_run=True)
    after = await stage.rows()
    assert after.pop("audit_logs") == before.pop("audit_logs") + 1
    assert after == before
    assert await held(stage, series_id) == was
    done = await edit(stage, series_id, **body)
    assert planned["occurrences"] == done["occurrences"]


async def test_details_change_where_visits_are(stage: Stage) -> None:
    await stage.visit("2026-02-10T09:30:00-05:00")
    series_id, visits = await booked(stage, mode="next_best")
    was = await held(stage, series_id)
    done = await edit(stage, series_id, scope="all", reason="Iron", priority="high")
    assert await held(stage, series_id) == was
    assert [one["moved_minutes"] for one in done["occurrences"]] == [0, 90, 0, 0, 0, 0]
    visit = (await stage.clinic.get(f"/appointments/{visits[1]}")).json()["data"]
    assert (visit["reason"], visit["priority"], visit["sequence"]) == ("Iron", "high", 0)


async def test_a_reason_can_be_taken_away(stage: Stage) -> None:
    series_id, visits = await booked(stage, reason="Iron")
    await edit(stage, series_id, scope="all", priority="high", local_time=None)
    assert await reason_of(stage, visits[0]) == "Iron"
    await edit(stage, series_id, scope="all", reason=None)
    assert await reason_of(stage, visits[0]) is None


async def reason_of(stage: Stage, visit: str) -> Any:
    return (await stage.clinic.get(f"/appointments/{visit}")).json()["data"]["reason"]


async def test_a_series_moves_to_another_place_and_its_clocks(stage: Stage) -> None:
    place = await stage.clinic.facility(timezone="America/Chicago")
    series_id, _ = await booked(stage)
    provider = await stage.clinic.provider(facilities=[{"facility_id": place["id"]}])
    done = await edit(
        stage, series_id, scope="all", facility_id=place["id"], provider_id=provider["id"]
    )
    assert [one["scheduled_start"][11:16] for one in done["occurrences"]] == ["15:00"] * 5 + [
        "14:00"
    ]
    assert done["series"]["time_zone"] == "America/Chicago"
    assert (await held(stage, series_id))[0] == "02-03 09:00"


async def test_a_longer_visit_needs_the_time_behind_it(stage: Stage) -> None:
    series_id, _ = await booked(stage)
    await stage.visit("2026-02-17T10:30:00-05:00")
    refused = await edit(stage, series_id, 409, scope="all", duration_minutes=120)
    assert [one["field"] for one in refused["details"]] == ["occurrences.2"]
    done = await edit(stage, series_id, scope="all", duration_minutes=90)
    assert done["series"]["duration_minutes"] == 90


async def test_a_series_keeps_the_room_that_was_named(stage: Stage) -> None:
    need = {"kind": "room", "category": "infusion"}
    await stage.clinic.make("/visit-types", {
        "code": "infusion", "name": "Infusion", "duration_minutes": 60,
        "requirements": [{**need, "count": 1}],
    })  # fmt: skip
    place = {**need, "facility_id": stage.facility_id}
    own, other = [
        (await stage.clinic.make("/resources", {**place, "name": name}))["id"] for name in "AB"
    ]
    series_id, visits = await booked(stage, resource_ids=[own])
    await stage.visit(
        "2026-02-17T10:30:00-05:00", provider_id=await stage.colleague(), resource_ids=[own]
    )
    refused = await edit(stage, series_id, 409, scope="all", local_time="10:30")
    assert [one["field"] for one in refused["details"]] == ["occurrences.2"]
    await edit(stage, series_id, scope="all", local_time="10:30", resource_ids=[])
    rooms = [(await stage.clinic.get(f"/appointments/{one}")).json()["data"] for one in visits[1:3]]
    assert [one["resource_ids"] for one in rooms] == [[own], [other]]
    assert [one["named_resource_ids"] for one in rooms] == [[], []]


async def test_cancelling_one_visit(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    done = await cancel(stage, series_id, scope="this", appointment_id=visits[1])
    assert [one["result"] for one in done["occurrences"]] == ["cancelled"]
    assert done["series"]["total_appointments"] == 5
    assert (await held(stage, series_id))[1] == "02-10 09:00 x"


async def test_cancelling_this_and_following(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    await edit(stage, series_id, scope="this", appointment_id=visits[4], local_time="15:00")
    done = await cancel(stage, series_id, scope="this_and_following", appointment_id=visits[3])
    assert len(done["occurrences"]) == 3
    series = done["series"]
    assert (series["total_appointments"], series["series_end_date"]) == (3, "2026-02-17")
    assert series["recurrence_pattern"] == "FREQ=WEEKLY;UNTIL=20260217"
    assert series["is_active"] is True
    assert [one[-1] for one in await held(stage, series_id)].count("0") == 3
    listed = await stage.clinic.get(
        f"/patients/{stage.patient_id}/notifications", params={"limit": 200}
    )
    kinds = [one["notification_type"] for one in listed.json()["data"]["items"]]
    assert kinds.count("appointment_cancelled") == 1


async def test_cancelling_all_and_again(stage: Stage) -> None:
    series_id, _ = await booked(stage)
    done = await cancel(stage, series_id, scope="all")
    assert len(done["occurrences"]) == 6
    assert done["series"]["is_active"] is False
    assert done["series"]["cancellation_reason"] == "Therapy has ended"
    again = await cancel(stage, series_id, scope="all")
    assert again["occurrences"] == []
    assert again["series"] == done["series"]
    async with begin(stage.clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM occupancy")) == 0
    over = await edit(stage, series_id, 409, scope="all", local_time="10:00")
    assert over["code"] == "SERIES_OVER"
    await stage.book()  # all of it is free again


async def test_a_dry_run_of_a_cancellation_names_every_visit(stage: Stage, clock: Clock) -> None:
    series_id, visits = await booked(stage)
    before = await stage.series(series_id)
    planned = await cancel(
        stage, series_id, scope="this_and_following", appointment_id=visits[3], dry_run=True
    )
    assert planned["dry_run"] is True
    assert [one["appointment_id"] for one in planned["occurrences"]] == visits[3:]
    assert {one["result"] for one in planned["occurrences"]} == {"cancelled"}
    one = await cancel(stage, series_id, scope="this", appointment_id=visits[1], dry_run=True)
    assert [visit["appointment_id"] for visit in one["occurrences"]] == [visits[1]]
    read = (await stage.clinic.get("/scheduling-policy")).json()["data"]
    kept = {name: value for name, value in read.items() if name not in {"version", "updated_at"}}
    await stage.clinic.put("/scheduling-policy", {**kept, "cancel_notice_minutes": 1440})
    clock.forward(days=28, hours=12)
    near = await cancel(stage, series_id, scope="all", dry_run=True)
    assert near["failed"] == 1
    assert near["occurrences"][0]["faults"][0]["code"] == "late_change"
    aside = {"allow": ["late_change"], "reason": "Hospital"}
    freed = await cancel(stage, series_id, scope="all", dry_run=True, override=aside)
    assert freed["failed"] == 0
    assert await stage.series(series_id) == before


async def test_the_version_guards_a_series(stage: Stage) -> None:
    series_id, _ = await booked(stage)
    path = f"/appointments/series/{series_id}"
    header = {"If-Match": '"1"'}
    body = {"scope": "all", "local_time": "10:00"}
    assert (await stage.clinic.post(f"{path}/edit", body, headers=header)).status_code == 200
    assert (await stage.clinic.post(f"{path}/edit", body, headers=header)).status_code == 412
    gone = {"scope": "all", "cancellation_reason": "x"}
    assert (await stage.clinic.delete(path, json=gone, headers=header)).status_code == 412


async def test_the_clinics_notice_holds_for_series(stage: Stage, clock: Clock) -> None:
    series_id, _ = await booked(stage)
    policy = {"cancel_notice_minutes": 1440, "reschedule_notice_minutes": 1440}
    read = (await stage.clinic.get("/scheduling-policy")).json()["data"]
    kept = {name: value for name, value in read.items() if name not in {"version", "updated_at"}}
    assert (await stage.clinic.put("/scheduling-policy", {**kept, **policy})).status_code == 200
    clock.forward(days=28, hours=12)
    late = await edit(stage, series_id, 409, scope="all", local_time="10:00")
    assert late["code"] == "LATE_CHANGE"
    assert (await cancel(stage, series_id, 409, scope="all"))["code"] == "LATE_CHANGE"
    override = {"allow": ["late_change"], "reason": "Hospital"}
    done = await cancel(stage, series_id, scope="all", override=override)
    assert len(done["occurrences"]) == 6


STRANGER = "01900000-0000-7000-8000-000000000000"
BAD: list[tuple[dict[str, Any], str, int]] = [
    ({"scope": "all"}, "body", 400),
    ({"scope": "these", "local_time": "10:00"}, "scope", 400),
    ({"scope": "this", "local_time": "10:00"}, "appointment_id", 400),
    ({"scope": "this_and_following", "local_time": "10:00"}, "appointment_id", 400),
    ({"scope": "all", "appointment_id": STRANGER, "local_time": "10:00"}, "appointment_id", 400),
    ({"scope": "this", "appointment_id": STRANGER, "local_time": "10:00"}, "appointment_id", 422),
    ({"scope": "all", "local_time": "10 am"}, "local_time", 400),
    ({"scope": "all", "provider_id": STRANGER}, "provider_id", 422),
    ({"scope": "all", "facility_id": STRANGER}, "facility_id", 422),
    ({"scope": "all", "resource_ids": [STRANGER]}, "resource_ids.0", 422),
    ({"scope": "all", "duration_minutes": 0}, "duration_minutes", 400),
    ({"scope": "all", "patient_id": STRANGER}, "patient_id", 400),
]


@pytest.mark.parametrize(("body", "named", "status"), BAD, ids=lambda value: str(value)[:60])
async def test_bad_changes_name_the_field_and_change_nothing(
    stage: Stage, body: dict[str, Any], named: str, status: int
) -> None:
    series_id, _ = await booked(stage)
    was = await held(stage, series_id)
    before = await stage.rows()
    refused = await edit(stage, series_id, status, **body)
    assert {detail["field"] for detail in refused["details"]} == {named}
    assert await stage.rows() == before
    assert await held(stage, series_id) == was


async def test_a_visit_that_is_over_is_not_changed(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    await cancel(stage, series_id, scope="this", appointment_id=visits[0])
    for scope in ("this", "this_and_following"):
        refused = await edit(
            stage, series_id, 409, scope=scope, appointment_id=visits[0], local_time="10:00"
        )
        assert refused["code"] == "APPOINTMENT_NOT_OPEN"


async def test_what_was_shown_is_done_or_nothing(stage: Stage) -> None:
    series_id, visits = await booked(stage)
    change: dict[str, Any] = {"scope": "all", "local_time": "10:30"}
    end: dict[str, Any] = {"scope": "this_and_following", "appointment_id": visits[2]}
    shown = (await edit(stage, series_id, **change, dry_run=True))["preview"]
    going = (await cancel(stage, series_id, **end, dry_run=True))["preview"]
    assert shown == (await edit(stage, series_id, **change, dry_run=True))["preview"]
    other = await edit(stage, series_id, 412, **{**change, "local_time": "11:00"}, preview=shown)
    assert other["code"] == "PREVIEW_CHANGED"
    # To say nothing of the reason is not to take it away.
    await edit(stage, series_id, 412, **change, reason=None, preview=shown)
    await edit(stage, series_id, 400, **change, preview="x")
    moved = {"scheduled_start": "2026-03-05T11:00:00-05:00"}
    await stage.clinic.post(f"/appointments/{visits[3]}/reschedule", moved)
    before = await held(stage, series_id)
    # The series has its version still, but one of the visits is elsewhere.
    assert (await stage.series(series_id))["version"] == 1
    for refused in (
        await edit(stage, series_id, 412, **change, preview=shown),
        await cancel(stage, series_id, 412, **end, preview=going),
    ):
        assert refused["code"] == "PREVIEW_CHANGED"
    assert await held(stage, series_id) == before
    shown = (await edit(stage, series_id, **change, dry_run=True))["preview"]
    done = await edit(stage, series_id, **change, preview=shown)
    assert done["preview"] is None
    going = (await cancel(stage, series_id, **end, dry_run=True))["preview"]
    gone = await cancel(stage, series_id, **end, preview=going)
    assert len(gone["occurrences"]) == 4
