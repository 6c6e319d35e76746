"""One offer: made by hand, accepted, declined, expired, withdrawn; and the races between those."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import lapse, queries
from chroniccare.scheduling.waitlist import offers
from tests.client import Clinic
from tests.notifications.support import NOON, Clock
from tests.scheduling.waitlist.desk import HOUR, START, Desk, at, id_of

_WAITING = Command("SELECT count(*) FROM pg_locks WHERE NOT granted")


async def made(desk: Desk, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an entry and its open offer."""
    entry = await desk.waiting()
    answer = await desk.by_hand(entry, **fields)
    assert answer.status_code == 201, answer.text
    return entry, answer.json()["data"]


async def test_an_offer_holds_the_time_and_tells_the_patient(desk: Desk) -> None:
    entry, offer = await made(desk)
    assert (offer["outcome"], await desk.status(entry)) == ("open", "offered")
    assert at(offer["expires_at"]) == NOON + HOUR
    held = await desk.appointment(offer["appointment_id"])
    assert (held["status"], held["held_until"]) == ("held", offer["expires_at"])
    assert held["patient_id"] == entry["patient_id"]
    [message] = await desk.messages(entry, "waitlist_offer")
    assert (message["delivery_status"], message["expires_at"]) == ("pending", offer["expires_at"])
    assert await desk.events() == ["waitlist.offered"]
    read = await desk.clinic.get(f"/waitlist/offers/{offer['id']}")
    assert (read.json()["data"], read.headers["etag"]) == (offer, '"1"')


async def test_the_time_is_the_patients_alone_meanwhile(desk: Desk) -> None:
    _, offer = await made(desk)
    rival = await desk.waiting()
    refused = await desk.by_hand(rival)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "SLOT_TAKEN")
    assert len(refused.json()["error"]["data"]["alternatives"]) == 3
    assert await desk.status(rival) == "waiting"
    body = {
        **desk.where, "patient_id": rival["patient_id"], "appointment_type": "follow_up",
        "scheduled_start": START.isoformat(),
    }  # fmt: skip
    assert (await desk.clinic.post("/appointments", body)).status_code == 409
    assert (await desk.answer(offer, "accept")).status_code == 200


async def test_accepting_books_what_is_held(desk: Desk) -> None:
    entry, offer = await made(desk)
    accepted = (await desk.answer(offer, "accept")).json()["data"]
    assert (accepted["outcome"], accepted["version"]) == ("accepted", 2)
    assert at(accepted["settled_at"]) == NOON
    now = await desk.now(entry)
    assert (now["status"], now["booked_appointment_id"]) == ("booked", offer["appointment_id"])
    booked = await desk.appointment(offer["appointment_id"])
    assert (booked["status"], booked["held_until"]) == ("scheduled", None)
    [message] = await desk.messages(entry, "waitlist_offer")
    assert message["delivery_status"] == "cancelled"
    assert len(await desk.messages(entry, "appointment_confirmation")) == 1
    assert await desk.events() == ["waitlist.offered", "waitlist.accepted"]
    again = await desk.answer(offer, "accept")
    assert (again.status_code, again.json()["data"]) == (200, accepted)
    assert await desk.events() == ["waitlist.offered", "waitlist.accepted"]


async def test_declining_frees_the_time_and_the_patient_waits_on(desk: Desk) -> None:
    entry, offer = await made(desk)
    declined = (await desk.answer(offer, "decline")).json()["data"]
    assert (declined["outcome"], await desk.status(entry)) == ("declined", "waiting")
    held = await desk.appointment(offer["appointment_id"])
    assert held["status"] == "cancelled"
    assert await desk.messages(entry, "appointment_cancelled") == []
    assert (await desk.answer(offer, "decline")).json()["data"] == declined
    late = await desk.answer(offer, "accept")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "OFFER_CLOSED")
    await desk.visit()


@pytest.mark.parametrize("step", ["accept", "decline"])
@pytest.mark.parametrize("swept", [False, True])
async def test_after_its_end_an_offer_answers_409_and_books_nothing(
    desk: Desk, clock: Clock, step: str, *, swept: bool
) -> None:
    entry, offer = await made(desk)
    clock.at = NOON + HOUR
    if swept:
        await desk.sweep()
    refused = await desk.answer(offer, step)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "OFFER_EXPIRED")
    states = await desk.sql("SELECT status FROM appointments")
    assert states == ["cancelled" if swept else "held"]
    assert await desk.messages(entry, "appointment_confirmation") == []


async def test_a_moment_before_its_end_it_can_still_be_accepted(desk: Desk, clock: Clock) -> None:
    _, offer = await made(desk)
    clock.at = NOON + HOUR - timedelta(milliseconds=1)
    assert (await desk.answer(offer, "accept")).status_code == 200


async def test_the_clinic_says_for_how_long(desk: Desk) -> None:
    policy = (await desk.clinic.get("/scheduling-policy")).json()["data"]
    known = {name: value for name, value in policy.items() if name not in {"version", "updated_at"}}
    await desk.clinic.put("/scheduling-policy", {**known, "waitlist_offer_minutes": 25})
    _, offer = await made(desk)
    assert at(offer["expires_at"]) == NOON + timedelta(minutes=25)


async def test_there_is_one_open_offer_at_a_time(desk: Desk, clock: Clock) -> None:
    entry, first = await made(desk)
    later = {"scheduled_start": (START + HOUR).isoformat()}
    refused = await desk.by_hand(entry, **later)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ALREADY_OFFERED")
    clock.at = NOON + HOUR  # nobody has swept, but the first is over
    assert (await desk.by_hand(entry, **later)).status_code == 201
    assert [one["outcome"] for one in await desk.offers(entry)] == ["open", "expired"]
    assert (await desk.offers(entry))[1]["id"] == first["id"]


async def test_rival_offers_to_one_patient_are_told_apart(desk: Desk) -> None:
    entry = await desk.waiting()
    times = [(START + number * HOUR).isoformat() for number in range(4)]
    answers = await asyncio.gather(*(desk.by_hand(entry, scheduled_start=one) for one in times))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert await desk.open_offers() == 1
    assert await desk.sql("SELECT status FROM appointments") == ["held"]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"scheduled_start": (NOON + timedelta(minutes=44)).isoformat()}, "scheduled_start", "notice"),
    ({"scheduled_start": (NOON - HOUR).isoformat()}, "scheduled_start", "notice"),
    ({"appointment_type": None}, "appointment_type", "missing"),
    ({"provider_id": "01900000-0000-7000-8000-000000000000"}, "provider_id", "unknown"),
]


@pytest.mark.parametrize(("fields", "field", "code"), BAD, ids=str)
async def test_a_bad_offer_names_the_field_and_writes_nothing(
    desk: Desk, fields: dict[str, Any], field: str, code: str
) -> None:
    entry = await desk.waiting()
    refused = await desk.by_hand(entry, **fields)
    assert refused.status_code == 422
    [detail] = refused.json()["error"]["details"]
    assert (detail["field"], detail["code"]) == (field, code)
    assert await desk.sql("SELECT id FROM appointments") == []
    assert await desk.status(entry) == "waiting"


async def test_in_quiet_hours_staff_may_offer_on_the_phone_only(desk: Desk, clock: Clock) -> None:
    clock.at = NOON + timedelta(hours=10)  # 22:00 in New York
    entry = await desk.waiting()
    refused = await desk.by_hand(entry)
    [detail] = refused.json()["error"]["details"]
    assert (detail["field"], detail["code"]) == ("notify_patient", "quiet_hours")
    assert (await desk.by_hand(entry, notify_patient=False)).status_code == 201
    assert await desk.messages(entry, "waitlist_offer") == []


async def test_removing_an_entry_withdraws_its_offer(desk: Desk) -> None:
    entry, offer = await made(desk)
    await desk.clinic.delete(f"/waitlist/{entry['id']}")
    assert (await desk.offer(entry))["outcome"] == "withdrawn"
    assert (await desk.appointment(offer["appointment_id"]))["status"] == "cancelled"
    [message] = await desk.messages(entry, "waitlist_offer")
    assert message["delivery_status"] == "cancelled"
    refused = await desk.answer(offer, "accept")
    assert refused.json()["error"]["code"] == "OFFER_CLOSED"
    closed = await desk.by_hand(entry, scheduled_start=(START + HOUR).isoformat())
    assert closed.json()["error"]["code"] == "WAITLIST_CLOSED"


async def test_staff_may_book_or_cancel_the_held_visit_itself(desk: Desk) -> None:
    entry, offer = await made(desk)
    other, gone = await made(desk, scheduled_start=(START + HOUR).isoformat())
    await desk.clinic.post(f"/appointments/{offer['appointment_id']}/book")
    await desk.cancel({"id": gone["appointment_id"]})
    refused = await desk.answer(gone, "accept")
    assert refused.json()["error"]["code"] == "OFFER_CLOSED"
    refused = await desk.answer(offer, "decline")
    assert refused.json()["error"]["code"] == "OFFER_CLOSED"
    await desk.sweep()
    assert (await desk.offer(entry))["outcome"] == "accepted"
    assert (await desk.now(entry))["booked_appointment_id"] == offer["appointment_id"]
    assert (await desk.offer(other))["outcome"] == "withdrawn"
    assert await desk.status(other) == "waiting"


async def test_an_accepted_offer_of_a_booked_visit_is_settled_as_well(desk: Desk) -> None:
    entry, offer = await made(desk)
    await desk.clinic.post(f"/appointments/{offer['appointment_id']}/book")
    assert (await desk.answer(offer, "accept")).json()["data"]["outcome"] == "accepted"
    assert await desk.status(entry) == "booked"


async def test_the_same_key_accepts_once(desk: Desk) -> None:
    _, offer = await made(desk)
    header = {"Idempotency-Key": "yes"}
    answers = await asyncio.gather(
        *(desk.answer(offer, "accept", headers=header) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content.split(b'"meta"')[0] for answer in answers}) == 1
    assert await desk.events() == ["waitlist.offered", "waitlist.accepted"]


async def later_visit(desk: Desk, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a visit in three weeks, and an entry that would move it up."""
    visit = await desk.visit(START + timedelta(days=21), **fields)
    entry = await desk.waiting(patient_id=visit["patient_id"], appointment_id=visit["id"])
    return visit, entry


async def test_a_later_visit_moves_to_the_offered_time_and_stays_itself(desk: Desk) -> None:
    nurse = await desk.clinic.provider(facilities=desk.provider["facilities"])
    visit, entry = await later_visit(
        desk, duration_minutes=45, reason="Quarterly", additional_provider_ids=[nurse["id"]]
    )
    offer = (await desk.by_hand(entry)).json()["data"]
    held = await desk.appointment(offer["appointment_id"])
    assert held["additional_provider_ids"] == [nurse["id"]]
    assert held["duration_minutes"] == 45
    assert (await desk.answer(offer, "accept")).status_code == 200
    moved = await desk.appointment(visit["id"])
    assert (moved["scheduled_start"], moved["status"]) == (offer["scheduled_start"], "scheduled")
    assert (moved["reason"], moved["reschedule_count"]) == ("Quarterly", 1)
    assert moved["additional_provider_ids"] == [nurse["id"]]
    assert (await desk.appointment(offer["appointment_id"]))["status"] == "cancelled"
    assert (await desk.now(entry))["booked_appointment_id"] == visit["id"]
    assert len(await desk.messages(entry, "appointment_rescheduled")) == 1
    assert await desk.messages(entry, "appointment_cancelled") == []
    taken = await desk.sql("SELECT DISTINCT appointment_id FROM occupancy")
    assert taken == [id_of(visit)]
    await desk.visit(START + timedelta(days=21))  # its old time is free


async def test_rooms_are_moved_with_the_visit(desk: Desk) -> None:
    facility_id = desk.where["facility_id"]
    rooms = [
        await desk.clinic.make(
            "/resources",
            {"kind": kind, "facility_id": facility_id, "name": name, "category": name},
        )
        for kind, name in (("room", "bay"), ("equipment", "pump"))
    ]
    need = [{"kind": "room", "category": "bay", "count": 1}]
    kind = {"code": "drip", "name": "Drip", "duration_minutes": 60, "requirements": need}
    await desk.clinic.make("/visit-types", kind)
    visit, entry = await later_visit(desk, appointment_type="drip", resource_ids=[rooms[1]["id"]])
    assert set(visit["resource_ids"]) == {room["id"] for room in rooms}
    offer = (await desk.by_hand(entry, appointment_type="drip")).json()["data"]
    held = await desk.appointment(offer["appointment_id"])
    assert set(held["resource_ids"]) == {room["id"] for room in rooms}
    assert (await desk.answer(offer, "accept")).status_code == 200
    moved = await desk.appointment(visit["id"])
    assert set(moved["resource_ids"]) == {room["id"] for room in rooms}


async def test_what_the_clinic_offered_its_own_rules_do_not_refuse(
    desk: Desk, clock: Clock
) -> None:
    policy = (await desk.clinic.get("/scheduling-policy")).json()["data"]
    known = {name: value for name, value in policy.items() if name not in {"version", "updated_at"}}
    strict = {"reschedule_notice_minutes": 43_200, "max_reschedules": 0}
    await desk.clinic.put("/scheduling-policy", {**known, **strict})
    notice = {"min_notice_minutes": 47 * 60 + 30}
    kind = {"code": "follow_up", "name": "Follow-up", "duration_minutes": 30, **notice}
    await desk.clinic.make("/visit-types", kind)
    visit, entry = await later_visit(desk)
    offer = (await desk.by_hand(entry)).json()["data"]
    clock.at = NOON + HOUR - timedelta(minutes=1)
    assert (await desk.answer(offer, "accept")).status_code == 200
    moved = await desk.appointment(visit["id"])
    assert (moved["scheduled_start"], moved["override"]) == (offer["scheduled_start"], None)


@pytest.mark.parametrize("change", ["cancelled", "earlier"])
async def test_when_the_later_visit_is_gone_what_is_held_is_booked(desk: Desk, change: str) -> None:
    visit, entry = await later_visit(desk)
    offer = (await desk.by_hand(entry)).json()["data"]
    if change == "cancelled":
        await desk.cancel(visit)
    else:
        sooner = {"scheduled_start": (START - HOUR).isoformat()}
        await desk.clinic.post(f"/appointments/{visit['id']}/reschedule", sooner)
    assert (await desk.answer(offer, "accept")).status_code == 200
    assert (await desk.now(entry))["booked_appointment_id"] == offer["appointment_id"]
    assert (await desk.appointment(offer["appointment_id"]))["status"] == "scheduled"


async def test_accepting_and_lapsing_race_and_one_of_them_wins(desk: Desk, clock: Clock) -> None:
    entry, offer = await made(desk)
    held = offer["appointment_id"]
    # The answer came in time and waits for the visit, which a hold sweeper has just given up.
    async with begin(desk.clinic.caller) as tx:
        clock.at = NOON + HOUR
        tx.now = clock.at
        gone = await lapse.give_up(tx)
        assert [str(one) for one in gone] == [held]
        clock.at = NOON + HOUR - timedelta(seconds=1)
        racing = asyncio.create_task(desk.answer(offer, "accept"))
        async with asyncio.timeout(1.5):
            while not await tx.value(_WAITING):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
    refused = await racing
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "OFFER_EXPIRED")
    assert (await desk.appointment(held))["status"] == "cancelled"
    clock.at = NOON + HOUR
    await desk.sweep()
    assert await desk.status(entry) == "waiting"


async def test_who_answers_in_time_keeps_the_visit_from_lapsing(desk: Desk, clock: Clock) -> None:
    entry, offer = await made(desk)
    async with begin(desk.clinic.caller) as tx:
        accepted = await offers.accept(tx, id_of(offer))
        assert accepted.outcome == "accepted"
        clock.at = NOON + HOUR
        assert await desk.lapse() == 0  # the row is another's, and is left alone
        assert await desk.sweep() == 0
    assert await desk.lapse() == 0
    assert await desk.status(entry) == "booked"
    assert (await desk.appointment(offer["appointment_id"]))["status"] == "scheduled"


async def test_many_answers_at_once_have_one_outcome(desk: Desk) -> None:
    entry, offer = await made(desk)
    async with begin(desk.clinic.caller) as tx:
        await tx.one(queries.GET_FOR_UPDATE, id_of({"id": offer["appointment_id"]}))
        racing = [
            asyncio.create_task(desk.answer(offer, step))
            for step in ("accept", "decline", "accept", "decline")
        ]
        async with asyncio.timeout(1.5):
            while await tx.value(_WAITING) < 4:  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
    answers = await asyncio.gather(*racing)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409]
    outcome = (await desk.offer(entry))["outcome"]
    visit = (await desk.appointment(offer["appointment_id"]))["status"]
    assert (outcome, visit) in {("accepted", "scheduled"), ("declined", "cancelled")}


async def test_an_answer_of_another_clinic_is_unknown(desk: Desk, other_clinic: Clinic) -> None:
    _, offer = await made(desk)
    refused = await other_clinic.post(f"/waitlist/offers/{offer['id']}/accept")
    assert refused.status_code == 404
    assert (await desk.appointment(offer["appointment_id"]))["status"] == "held"


async def test_offers_page_and_every_step_is_audited(desk: Desk, clock: Clock) -> None:
    entry, first = await made(desk)
    await desk.answer(first, "decline")
    clock.forward(minutes=1)
    later = {"scheduled_start": (START + HOUR).isoformat()}
    second = (await desk.by_hand(entry, **later)).json()["data"]
    path = f"/waitlist/{entry['id']}/offers"
    page = (await desk.clinic.get(path, params={"limit": 1})).json()["data"]
    assert [one["id"] for one in page["items"]] == [second["id"]]
    cursor = page["next_cursor"]
    rest = (await desk.clinic.get(path, params={"cursor": cursor})).json()["data"]
    assert [one["id"] for one in rest["items"]] == [first["id"]]
    listed = await desk.clinic.get("/audit", params={"entity_id": first["id"]})
    actions = {one["action"] for one in listed.json()["data"]["items"]}
    assert actions == {"create", "declined", "list"}
