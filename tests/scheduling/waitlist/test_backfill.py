"""Times that become free are offered: to the first in line, one at a time, and never at night."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chroniccare import worker
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice
from chroniccare.notifications.plan import LOOP
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import openings
from chroniccare.scheduling.waitlist import actions, backfill, offers
from chroniccare.settings import Settings
from tests.client import Clinic, kept_messages
from tests.conftest import Running
from tests.notifications.support import NOON, Clock, clear_the_desk, eventually
from tests.scheduling.waitlist.desk import HOUR, START, Desk, at, id_of

_BLOCKED = Command("SELECT count(*) FROM pg_locks WHERE NOT granted")


async def test_a_cancelled_time_goes_to_the_first_in_line(desk: Desk) -> None:
    last = await desk.waiting(priority="low")
    first = await desk.waiting(priority="high", appointment_type="follow_up")
    other = await desk.waiting(priority="urgent", appointment_type="infusion")
    await desk.free(duration_minutes=45)
    assert await desk.openings() == 1
    assert await desk.sweep() == 1
    offer = await desk.offer(first)
    assert (at(offer["scheduled_start"]), offer["outcome"]) == (START, "open")
    held = await desk.appointment(offer["appointment_id"])
    assert (held["status"], held["duration_minutes"], held["priority"]) == ("held", 45, "high")
    assert at(offer["expires_at"]) == NOON + HOUR
    assert len(await desk.messages(first, "waitlist_offer")) == 1
    for entry in (last, other):
        assert await desk.offers(entry) == []
        assert await desk.messages(entry, "waitlist_offer") == []
    assert (await desk.sweep(), await desk.openings()) == (0, 0)


async def test_the_time_of_a_group_session_is_offered_when_it_ends_or_moves(desk: Desk) -> None:
    first, second = await desk.waiting(), await desk.waiting()
    body = {
        **desk.where, "title": "Foot care", "appointment_type": "follow_up", "seats": 3,
        "scheduled_start": START.isoformat(), "duration_minutes": 45,
    }  # fmt: skip
    session = await desk.clinic.make("/group-sessions", body)
    path = f"/group-sessions/{session['id']}"
    later = {**body, "scheduled_start": (START + HOUR).isoformat()}
    assert (await desk.clinic.put(path, {**body, "title": "Feet"})).is_success
    assert await desk.openings() == 0
    assert (await desk.clinic.put(path, later)).is_success
    assert await desk.sweep() == 1
    assert at((await desk.offer(first))["scheduled_start"]) == START
    reason = {"cancellation_reason": "Too few came"}
    assert (await desk.clinic.delete(path, json=reason)).is_success
    assert await desk.sweep() == 1
    assert at((await desk.offer(second))["scheduled_start"]) == START + HOUR


async def test_nothing_is_noted_where_nobody_waits_for_such_a_time(desk: Desk) -> None:
    elsewhere = await desk.clinic.provider()
    await desk.waiting(provider_id=elsewhere["id"])
    await desk.waiting(appointment_type="infusion")
    await desk.free()
    assert await desk.openings() == 0
    gone = await desk.waiting()
    await desk.clinic.delete(f"/waitlist/{gone['id']}")
    await desk.free()
    assert await desk.openings() == 0


async def test_a_time_that_a_visit_was_moved_away_from_is_offered(desk: Desk) -> None:
    entry = await desk.waiting()
    visit = await desk.visit()
    path = f"/appointments/{visit['id']}/reschedule"
    await desk.clinic.post(path, {"scheduled_start": (START + 3 * HOUR).isoformat()})
    assert await desk.sweep() == 1
    assert at((await desk.offer(entry))["scheduled_start"]) == START


async def test_a_visit_that_only_changes_frees_nothing(desk: Desk) -> None:
    await desk.waiting()
    visit = await desk.visit()
    body = {name: visit[name] for name in ("patient_id", *desk.where, "appointment_type")}
    body |= {"scheduled_start": visit["scheduled_start"], "duration_minutes": 60}
    assert (await desk.clinic.put(f"/appointments/{visit['id']}", body)).status_code == 200
    assert await desk.openings() == 0


async def test_the_time_of_a_hold_that_lapsed_is_offered(desk: Desk, clock: Clock) -> None:
    entry = await desk.waiting()
    await desk.visit(hold_minutes=10)
    clock.forward(minutes=10)
    assert await desk.sweep() == 0  # nobody has given the hold up yet
    assert await desk.lapse() == 1
    assert await desk.sweep() == 1
    assert at((await desk.offer(entry))["scheduled_start"]) == START


async def test_an_offer_that_expires_passes_to_the_next_until_nobody_is_left(
    desk: Desk, clock: Clock
) -> None:
    line = [await desk.waiting(priority=one) for one in ("urgent", "high", "normal")]
    await desk.free()
    for number, entry in enumerate(line):
        assert await desk.sweep() == 1
        assert [await desk.status(one) for one in line].count("offered") == 1
        assert await desk.status(entry) == "offered"
        assert await desk.sweep() == 0
        assert await desk.open_offers() == 1
        assert len(await desk.offers(entry)) == 1
        clock.forward(hours=1)
        assert [len(await desk.offers(one)) for one in line] == [1] * (number + 1) + [0] * (
            2 - number
        )
    assert await desk.sweep() == 0
    assert [(await desk.offer(one))["outcome"] for one in line] == ["expired"] * 3
    assert [await desk.status(one) for one in line] == ["waiting"] * 3
    assert (await desk.open_offers(), await desk.openings()) == (0, 0)
    assert await desk.events() == ["waitlist.offered", "waitlist.expired"] * 3
    await desk.visit()  # and the time is free for anybody


async def test_a_declined_time_passes_on_and_is_not_offered_to_them_again(desk: Desk) -> None:
    first, second = await desk.waiting(priority="high"), await desk.waiting()
    await desk.free()
    await desk.sweep()
    await desk.answer(await desk.offer(first), "decline")
    assert await desk.sweep() == 1
    await desk.answer(await desk.offer(second), "decline")
    assert await desk.sweep() == 0
    await desk.free(START + HOUR)
    assert await desk.sweep() == 1
    assert [at(one["scheduled_start"]) for one in await desk.offers(first)] == [START + HOUR, START]


async def test_an_accepted_time_is_offered_to_nobody_else(desk: Desk) -> None:
    first, second = await desk.waiting(priority="high"), await desk.waiting()
    await desk.free()
    await desk.sweep()
    await desk.answer(await desk.offer(first), "accept")
    assert (await desk.sweep(), await desk.openings()) == (0, 0)
    assert await desk.offers(second) == []


async def test_who_moves_up_frees_the_later_time_for_the_next(desk: Desk) -> None:
    late = START + timedelta(days=7)
    visit = await desk.visit(late)
    first = await desk.waiting(
        patient_id=visit["patient_id"], appointment_id=visit["id"], priority="urgent"
    )
    second = await desk.waiting(earliest="2031-03-10")
    await desk.free(late + HOUR)  # later than the visit they have: nothing for the first
    assert await desk.sweep() == 1
    assert (await desk.offers(first), len(await desk.offers(second))) == ([], 1)
    await desk.answer(await desk.offer(second), "decline")
    await desk.free()
    assert await desk.sweep() == 1
    await desk.answer(await desk.offer(first), "accept")
    assert await desk.openings() == 1  # its old time alone; the new one was never free
    assert await desk.sweep() == 1
    assert at((await desk.offers(second))[0]["scheduled_start"]) == late


@pytest.mark.parametrize("minutes", [59, 60])
async def test_a_time_that_starts_within_the_hour_is_offered_to_nobody(
    desk: Desk, clock: Clock, minutes: int
) -> None:
    entry = await desk.waiting()
    visit = await desk.visit()
    clock.at = START - timedelta(minutes=minutes)
    await desk.cancel(visit)
    assert await desk.sweep() == (minutes == 60)
    assert await desk.openings() == 0
    if minutes == 60:
        assert at((await desk.offer(entry))["expires_at"]) == START - timedelta(minutes=30)


async def test_a_time_that_somebody_else_has_taken_is_dropped(desk: Desk) -> None:
    entry = await desk.waiting()
    await desk.free()
    await desk.visit()
    assert (await desk.sweep(), await desk.openings()) == (0, 0)
    assert await desk.status(entry) == "waiting"
    assert await desk.sql("SELECT status FROM appointments ORDER BY id") == [
        "cancelled",
        "scheduled",
    ]


async def test_who_cannot_be_booked_is_passed_over(desk: Desk, caplog: Any) -> None:
    caplog.set_level(logging.INFO, logger="chroniccare.scheduling.waitlist.backfill")
    elsewhere = await desk.clinic.provider()
    busy = await desk.waiting(priority="urgent")
    short = await desk.waiting(duration_minutes=20)
    await desk.visit(
        patient_id=busy["patient_id"],
        provider_id=elsewhere["id"],
        facility_id=elsewhere["facilities"][0]["facility_id"],
        appointment_type="other",
    )
    # Else the visit that keeps them busy would be what they wait for.
    await desk.sql("UPDATE appointments SET created_at = '2030-01-01'")
    await desk.free()
    assert await desk.sweep() == 1
    assert (await desk.offers(busy), await desk.status(busy)) == ([], "waiting")
    offer = await desk.offer(short)
    assert (await desk.appointment(offer["appointment_id"]))["duration_minutes"] == 20
    lines = [record for record in caplog.records if record.msg == "waitlist entry passed over"]
    assert [record.__dict__["kind"] for record in lines] == ["SlotTaken"]
    told = " ".join(str(record.__dict__) for record in caplog.records)
    assert busy["patient_id"] not in told
    assert "Gonzalez" not in told


async def test_who_cannot_be_written_to_is_left_to_staff(desk: Desk) -> None:
    mute = await desk.clinic.patient(contact_info={"telecom": []})
    refuses = await desk.clinic.patient(consent_settings={"sms": False, "email": False})
    silent = [
        await desk.waiting(patient_id=one["id"], priority="urgent") for one in (mute, refuses)
    ]
    entry = await desk.waiting(priority="low")
    await desk.free()
    assert await desk.sweep() == 1
    assert await desk.status(entry) == "offered"
    assert [await desk.offers(one) for one in silent] == [[], []]
    by_hand = await desk.by_hand(silent[0], scheduled_start=(START + HOUR).isoformat())
    assert by_hand.status_code == 201


# --- quiet hours --------------------------------------------------------------------------------


async def test_at_night_the_first_in_line_is_let_sleep_and_keeps_their_turn(
    desk: Desk, clock: Clock
) -> None:
    clock.at = NOON + timedelta(hours=9, minutes=30)  # 21:30 in New York
    first = await desk.waiting(priority="high")
    second = await desk.waiting()
    await desk.free()
    assert await desk.sweep() == 0
    assert (await desk.open_offers(), await desk.openings()) == (0, 1)
    clock.at = NOON + timedelta(hours=19, minutes=59)  # 07:59
    assert await desk.sweep() == 0
    clock.forward(minutes=1)
    assert await desk.sweep() == 1
    offer = await desk.offer(first)
    assert at(offer["expires_at"]) == clock.at + HOUR  # the hold began when they woke
    assert await desk.offers(second) == []


async def test_whoever_would_wake_too_late_is_passed_over(desk: Desk, clock: Clock) -> None:
    start = NOON + timedelta(hours=20, minutes=30)  # 08:30 the next morning in New York
    clock.at = NOON + timedelta(hours=9, minutes=30)
    asleep = await desk.waiting(priority="urgent")
    patient = await desk.clinic.patient(time_zone="Pacific/Honolulu")  # 16:30
    awake = await desk.waiting(patient_id=patient["id"])
    await desk.free(start)
    assert await desk.sweep() == 1
    assert (await desk.offers(asleep), await desk.status(awake)) == ([], "offered")


@pytest.mark.parametrize(
    ("evening", "morning"),
    [
        # Clocks go forward on 9 March 2031 and back on 2 November: the night is an hour off.
        (datetime(2031, 3, 9, 3, tzinfo=UTC), datetime(2031, 3, 9, 12, tzinfo=UTC)),
        (datetime(2031, 11, 2, 3, tzinfo=UTC), datetime(2031, 11, 2, 13, tzinfo=UTC)),
        (datetime(2031, 6, 2, 3, tzinfo=UTC), datetime(2031, 6, 2, 12, tzinfo=UTC)),
    ],
    ids=["forward", "back", "summer"],
)
async def test_the_night_is_the_patients_also_when_clocks_change(
    desk: Desk, clock: Clock, evening: datetime, morning: datetime
) -> None:
    clock.at = evening
    entry = await desk.waiting()
    await desk.free(evening + timedelta(days=3))
    assert await desk.sweep() == 0
    clock.at = morning - timedelta(seconds=1)
    assert await desk.sweep() == 0
    clock.at = morning
    assert await desk.sweep() == 1
    assert at((await desk.offer(entry))["offered_at"]) == morning


async def test_a_message_that_was_delayed_into_the_night_is_not_sent(
    desk: Desk, clock: Clock, settings: Settings
) -> None:
    await clear_the_desk()
    clock.at = NOON + timedelta(hours=8, minutes=50)  # 20:50
    entry = await desk.waiting()
    await desk.free()
    await desk.sweep()
    clock.forward(minutes=45)  # 21:35: more than half an hour into the night
    async with choice.opened(settings) as channels:
        await dispatch.drain(channels)
    [message] = await desk.messages(entry, "waitlist_offer")
    assert (message["delivery_status"], message["reason"]) == ("expired", "quiet_hours")


# --- the message --------------------------------------------------------------------------------


async def sent(desk: Desk, entry: dict[str, Any], settings: Settings) -> list[str]:
    async with choice.opened(settings) as channels:
        await dispatch.drain(channels)
    [message] = await desk.messages(entry, "waitlist_offer")
    return [kept.body for kept in await kept_messages(desk.clinic, message["id"])]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            "is free for you: Thu, Mar 6 at 12:00 PM EST. We keep it until Tue, Mar 4 at 1:00 PM",
        ),
        (
            "es",
            ": jueves 6 de marzo a las 12:00 PM EST. Guardada hasta: martes 4 de marzo",
        ),
    ],
)
async def test_the_patient_reads_what_is_kept_and_until_when(
    desk: Desk, settings: Settings, language: str, words: str
) -> None:
    await clear_the_desk()
    patient = await desk.clinic.patient(language=language)
    entry = await desk.waiting(patient_id=patient["id"])
    await desk.free()
    await desk.sweep()
    [body] = await sent(desk, entry, settings)
    assert words in body
    assert len(body) <= 306  # two parts, as the link takes most of one


async def test_an_offer_that_is_over_is_not_sent_any_more(desk: Desk, settings: Settings) -> None:
    await clear_the_desk()
    entry = await desk.waiting()
    await desk.free()
    await desk.sweep()
    offer = await desk.offer(entry)
    await desk.sql("UPDATE appointments SET status = 'cancelled', held_until = NULL")
    assert await sent(desk, entry, settings) == []
    [message] = await desk.messages(entry, "waitlist_offer")
    assert message["reason"] == "visit_cancelled"
    assert offer["outcome"] == "open"


# --- entries that close by themselves -------------------------------------------------------------


async def test_who_books_a_fitting_visit_waits_no_longer(desk: Desk) -> None:
    entry = await desk.waiting(appointment_type="follow_up", latest="2031-03-06")
    patient_id = entry["patient_id"]
    await desk.visit(START + timedelta(days=1), patient_id=patient_id)  # too late for them
    await desk.visit(START - HOUR, patient_id=patient_id, appointment_type="infusion")
    await desk.visit(START - 2 * HOUR, patient_id=patient_id, hold_minutes=30)
    await desk.sweep()
    assert await desk.status(entry) == "waiting"
    visit = await desk.visit(patient_id=patient_id)
    await desk.sweep()
    now = await desk.now(entry)
    assert (now["status"], now["booked_appointment_id"]) == ("booked", visit["id"])


async def test_a_visit_from_before_they_waited_does_not_count(desk: Desk, clock: Clock) -> None:
    visit = await desk.visit()
    clock.forward(seconds=1)
    entry = await desk.waiting(patient_id=visit["patient_id"])
    await desk.sweep()
    assert await desk.status(entry) == "waiting"


async def test_entries_that_lost_their_point_are_closed(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "BATCH", 1)
    late = await desk.waiting(latest="2031-03-05")
    gone, dead = await desk.waiting(), await desk.waiting()
    visit, begun = await desk.visit(), await desk.visit(START + HOUR)
    moving = await desk.waiting(patient_id=visit["patient_id"], appointment_id=visit["id"])
    over = await desk.waiting(patient_id=begun["patient_id"], appointment_id=begun["id"])
    stays = await desk.waiting(latest="2031-03-08")
    clock.at = datetime(2031, 3, 6, 11, 59, tzinfo=UTC)
    await desk.sweep()
    assert await desk.status(late) == "waiting"  # somewhere it is still the fifth
    await desk.clinic.delete(f"/patients/{gone['patient_id']}")
    await desk.sql(
        "UPDATE patients SET treatment_status = 'deceased' WHERE id = $1", dead["patient_id"]
    )
    await desk.cancel(visit)
    clock.at = START + HOUR
    await desk.sweep()
    states = {await desk.status(one) for one in (late, over)}
    assert states == {"expired"}
    assert {await desk.status(one) for one in (gone, dead, moving)} == {"removed"}
    assert await desk.status(stays) == "waiting"
    assert await desk.events() == ["waitlist.expired"] * 2
    listed = await desk.clinic.get("/audit", params={"entity_id": late["id"], "action": "close"})
    [entry] = listed.json()["data"]["items"]
    assert (entry["user_type"], entry["changes"]["after"]) == (
        "system",
        {"status": "expired", "version": 2},
    )


# --- races --------------------------------------------------------------------------------------


async def test_racing_workers_make_one_offer_of_a_time(desk: Desk) -> None:
    line = [await desk.waiting() for _ in range(6)]
    visit = await desk.visit()
    held = Command("SELECT id FROM patients WHERE id = $1::uuid FOR UPDATE")
    await desk.cancel(visit)
    async with begin(desk.clinic.caller) as tx:
        # The first in line is locked, so every worker that claims the time is held up with it.
        await tx.value(held, line[0]["patient_id"])
        racing = [asyncio.create_task(desk.sweep()) for _ in range(6)]
        async with asyncio.timeout(1.5):
            while not await tx.value(_BLOCKED):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
    assert sum(await asyncio.gather(*racing)) == 1
    assert await desk.open_offers() == 1
    assert await desk.status(line[0]) == "offered"


async def test_who_is_taken_off_at_this_moment_is_passed_over(desk: Desk) -> None:
    first, second = await desk.waiting(priority="high"), await desk.waiting()
    await desk.free()
    async with begin(desk.clinic.caller) as tx:
        await offers.remove(tx, await actions.get_locked(tx, id_of(first)))
        racing = asyncio.create_task(desk.sweep())
        async with asyncio.timeout(1.5):
            while not await tx.value(_BLOCKED):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
    assert await racing == 1
    assert (await desk.offers(first), await desk.status(first)) == ([], "removed")
    assert await desk.status(second) == "offered"


async def test_racing_workers_and_times_give_each_patient_one_offer(desk: Desk) -> None:
    line = [await desk.waiting() for _ in range(3)]
    for number in range(8):
        await desk.free(START + number * HOUR)
    made = await asyncio.gather(*(desk.sweep() for _ in range(4)))
    assert sum(made) + await desk.sweep() == 3
    assert [len(await desk.offers(one)) for one in line] == [1] * 3
    times = {(await desk.offer(one))["scheduled_start"] for one in line}
    assert len(times) == 3
    assert await desk.open_offers() == 3


async def test_a_time_noted_twice_is_offered_once(desk: Desk) -> None:
    await desk.waiting()
    await desk.waiting()
    await desk.free()
    await desk.free()
    assert await desk.openings() == 2
    assert await desk.sweep() == 1
    assert (await desk.open_offers(), await desk.openings()) == (1, 0)


async def test_a_worker_that_dies_leaves_the_job_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await desk.waiting()
    await desk.free()

    async def dies(*_args: object, **_more: object) -> int:
        raise RuntimeError

    monkeypatch.setattr("chroniccare.scheduling.waitlist.offers.plan_offer", dies)
    with pytest.raises(RuntimeError):
        await desk.sweep()
    assert (await desk.open_offers(), await desk.openings()) == (0, 1)
    assert await desk.sql("SELECT status FROM appointments") == ["cancelled"]
    monkeypatch.undo()
    assert await desk.sweep() == 1
    assert await desk.status(entry) == "offered"


async def test_a_time_whose_parties_are_locked_waits_for_the_next_round(desk: Desk) -> None:
    entry = await desk.waiting()
    await desk.free()
    async with begin(desk.clinic.caller) as tx:
        await tx.value(
            Command("SELECT id FROM providers WHERE id = $1::uuid FOR UPDATE"), desk.provider["id"]
        )
        assert await desk.sweep() == 0
    assert await desk.openings() == 1
    assert await desk.sweep() == 1
    assert await desk.status(entry) == "offered"


async def test_another_clinics_patients_are_never_in_line(desk: Desk, other_clinic: Clinic) -> None:
    other = Desk(other_clinic, desk.clock, await other_clinic.provider())
    theirs = await other.waiting(priority="urgent")
    await desk.free()
    assert (await desk.openings(), await other.openings()) == (0, 0)
    await desk.waiting()
    await desk.free()
    assert (await other.sweep(), await desk.sweep()) == (0, 1)
    assert await other.offers(theirs) == []


async def test_the_worker_is_woken_and_offers(
    desk: Desk, settings: Settings, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    rarely = (backfill.sweep, 3600.0, openings.LOOP)
    monkeypatch.setitem(worker._BY_TENANT, "waitlist", rarely)
    entry = await desk.waiting()
    stop, bells = asyncio.Event(), {LOOP: asyncio.Event()}
    heard: list[str] = []
    monkeypatch.setattr(
        type(running.platform.bell), "ring", lambda _bell, names: heard.extend(names)
    )
    async with choice.opened(settings) as channels:
        loop = worker.loops(settings, channels, bells, stop)["waitlist"]
        task = asyncio.create_task(worker.keep({"waitlist": loop}, stop))
        await asyncio.sleep(0.2)
        await desk.free()
        assert openings.LOOP in heard
        assert await desk.status(entry) == "waiting"
        bells[openings.LOOP].set()

        async def offered() -> bool:
            return await desk.status(entry) == "offered"

        await eventually(offered)
        stop.set()
        await task


async def test_a_lot_of_unbookable_patients_do_not_hold_the_line_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "_MOST_TRIES", 2)
    for _ in range(3):
        await desk.waiting()
    await desk.free()
    await desk.visit()
    assert (await desk.sweep(), await desk.openings()) == (0, 0)
