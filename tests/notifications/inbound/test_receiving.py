"""From a text message to what the clinic does and answers, on the real engines."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chroniccare import worker
from chroniccare.notifications import dispatch
from chroniccare.notifications.inbound import queries, receiving
from chroniccare.notifications.plan import LOOP, Visit
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import replies
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.notifications.inbound.phone import Phone, left, own_number, phone_of
from tests.notifications.provider import Provider, by_sms
from tests.notifications.support import Bench, eventually

_WAITING = Command("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


async def told(bench: Bench, http: httpx.AsyncClient, **options: Any) -> tuple[Visit, Phone]:
    """Book a visit, tell its patient by text, and return both."""
    if "patient_id" not in options:
        options["patient_id"] = await bench.patient(contact_info=own_number())
    visit = await bench.planned(**options)
    await bench.drain()
    return visit, await phone_of(bench.clinic, bench.clock, http, visit.patient_id)


async def status(clinic: Clinic, visit: Visit) -> str:
    read = await clinic.get(f"/appointments/{visit.appointment_id}")
    return str(read.json()["data"]["status"])


async def texts(bench: Bench, kind: str) -> list[str]:
    """Return the text messages of a kind that went out, after sending what is due."""
    await bench.drain()
    rows = {row.id for row in await bench.rows() if row.notification_type == kind}
    return [one.body for one in await bench.outbox() if one.notification_id in rows]


@pytest.mark.parametrize("text", ["1", "Yes!", "👍🏽", "Sí, gracias", "C"])
async def test_a_yes_confirms_the_one_visit(
    bench: Bench, anonymous: httpx.AsyncClient, text: str
) -> None:
    visit, phone = await told(bench, anonymous)
    reply = await phone.says(text)
    assert (reply["intent"], reply["outcome"], reply["action_status"]) == (
        "confirm", "confirming", "done",
    )  # fmt: skip
    assert reply["patient_id"] == str(visit.patient_id)
    assert await status(bench.clinic, visit) == "confirmed"
    [answer] = await texts(bench, "reply_confirmed")
    assert "Sat, Mar 8 at 12:00 PM EST" in answer
    assert await phone.tasks() == []
    listed = await bench.clinic.get(
        "/audit", params={"entity_id": str(visit.appointment_id), "action": "confirm"}
    )
    [entry] = listed.json()["data"]["items"]
    assert (entry["user_type"], entry["user_id"]) == ("patient", str(visit.patient_id))


async def test_the_same_message_again_changes_nothing(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, phone = await told(bench, anonymous)
    await phone.says("1", id="same")
    await phone.says("2", id="same")  # a forged or confused gateway: the id decides
    assert [one["body"] for one in await phone.replies()] == ["1"]
    assert await status(bench.clinic, visit) == "confirmed"
    assert len(await texts(bench, "reply_confirmed")) == 1
    assert await phone.tasks() == []
    assert await left() == 0


@pytest.mark.parametrize("text", ["2", "No", "I need to reschedule", "cancel my appointment"])
async def test_a_wish_for_another_time_is_a_task_and_the_visit_stays(
    bench: Bench, anonymous: httpx.AsyncClient, text: str
) -> None:
    visit, phone = await told(bench, anonymous)
    reply = await phone.says(text)
    assert (reply["outcome"], reply["action"]) == ("change_asked", None)
    assert await status(bench.clinic, visit) == "scheduled"
    assert await phone.tasks() == [("change_requested", "patient_replied")]
    [task] = (await bench.clinic.get("/tasks")).json()["data"]["items"]
    assert (task["focus_type"], task["focus_id"], task["priority"]) == (
        "appointment", str(visit.appointment_id), "high",
    )  # fmt: skip
    assert len(await texts(bench, "reply_changing")) == 1
    await phone.says("reschedule")
    assert len(await phone.tasks()) == 1
    assert await phone.barred() == []


async def test_the_last_word_counts(bench: Bench, anonymous: httpx.AsyncClient) -> None:
    visit, phone = await told(bench, anonymous)
    await phone.says("2")
    bench.clock.forward(minutes=1)
    await phone.says("1")
    assert await status(bench.clinic, visit) == "confirmed"
    assert await phone.tasks() == []
    bench.clock.forward(minutes=1)
    await phone.says("2")
    assert await status(bench.clinic, visit) == "confirmed"  # staff decide
    assert await phone.tasks() == [("change_requested", "patient_replied")]


async def test_a_yes_does_not_close_what_staff_have_taken_up(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    _, phone = await told(bench, anonymous)
    await phone.says("2")
    [task] = (await bench.clinic.get("/tasks")).json()["data"]["items"]
    await bench.clinic.post(f"/tasks/{task['id']}/claim", {"worker": "Dana Lee"})
    bench.clock.forward(minutes=1)
    await phone.says("1")
    assert len(await phone.tasks()) == 1


async def test_a_no_that_is_read_before_an_older_yes_is_followed_stays(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, phone = await told(bench, anonymous)
    await phone.post("1")
    await receiving.receive_due()
    bench.clock.forward(seconds=1)
    await phone.says("2")  # both are followed only now
    assert await status(bench.clinic, visit) == "confirmed"
    assert await phone.tasks() == [("change_requested", "patient_replied")]


async def test_several_visits_are_told_apart(bench: Bench, anonymous: httpx.AsyncClient) -> None:
    first, phone = await told(bench, anonymous)
    second, _ = await told(
        bench, anonymous, patient_id=first.patient_id,
        starts_at=first.starts_at + timedelta(days=2),
    )  # fmt: skip
    reply = await phone.says("yes")
    assert (reply["outcome"], reply["action"]) == ("asked", None)
    assert [await status(bench.clinic, one) for one in (first, second)] == ["scheduled"] * 2
    [question] = await texts(bench, "reply_which")
    assert "reply 1A or 1B" in question
    assert "A: Sat, Mar 8 at 12:00 PM EST. B: Mon, Mar 10 at 1:00 PM EDT." in question
    bench.clock.forward(minutes=1)
    assert (await phone.says("1b"))["appointment_id"] == str(second.appointment_id)
    assert [await status(bench.clinic, one) for one in (first, second)] == [
        "scheduled", "confirmed",
    ]  # fmt: skip
    await phone.says("A")  # asked to confirm: the letter alone is enough
    assert await status(bench.clinic, first) == "confirmed"
    await phone.says("2 A")
    assert await phone.tasks() == [("change_requested", "patient_replied")]
    assert (await phone.says("1G"))["outcome"] == "unread"


async def test_who_does_not_say_which_a_second_time_is_called(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    first, phone = await told(bench, anonymous)
    await told(bench, anonymous, patient_id=first.patient_id,
               starts_at=first.starts_at + timedelta(days=2))  # fmt: skip
    await phone.says("yes")
    assert (await phone.says("yes"))["outcome"] == "unread"
    assert await phone.tasks() == [("read_reply", "not_understood")]
    assert len(await texts(bench, "reply_which")) == 1


async def test_what_was_moved_or_is_over_is_not_confirmed(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, phone = await told(bench, anonymous)
    await bench.sql(
        "UPDATE appointments SET scheduled_start = scheduled_start + interval '1 hour',"
        " scheduled_end = scheduled_end + interval '1 hour' WHERE id = $1", visit.appointment_id,
    )  # fmt: skip
    assert (await phone.says("1"))["outcome"] == "outdated"
    assert await status(bench.clinic, visit) == "scheduled"
    assert await phone.tasks() == [("answer_not_followed", "visit_changed_meanwhile")]
    assert len(await texts(bench, "reply_outdated")) == 1
    [task] = (await bench.clinic.get("/tasks")).json()["data"]["items"]
    await bench.clinic.post(f"/tasks/{task['id']}/complete", {"outcome": "called"})
    bench.clock.at = visit.starts_at + timedelta(hours=2)
    assert (await phone.says("1"))["outcome"] == "outdated"
    assert await phone.tasks() == []  # it is over: nothing is left to do
    bench.clock.forward(days=7)
    assert (await phone.says("1"))["outcome"] == "nothing_open"
    assert await status(bench.clinic, visit) == "scheduled"


async def test_a_visit_that_staff_cancel_meanwhile_is_refused_and_left_to_them(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, phone = await told(bench, anonymous)
    await phone.post("1")
    await receiving.receive_due()  # read, and not followed yet
    await bench.cancel_and_tell(visit)
    await replies.sweep(bench.clinic.tenant_id)
    [reply] = await phone.replies()
    assert (reply["action_status"], reply["action_reason"]) == ("refused", "OUTDATED")
    assert await status(bench.clinic, visit) == "cancelled"
    assert await phone.tasks() == [("answer_not_followed", "outdated")]
    assert len(await texts(bench, "reply_outdated")) == 1


# --- stop, start, help ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["STOP", "Unsubscribe.", "ARRET", "opt-out", "REVOKE", "please stop texting me", "退订",
     "No quiero más mensajes"],
)  # fmt: skip
async def test_a_stop_bars_the_number_at_once_with_one_answer(
    bench: Bench, anonymous: httpx.AsyncClient, text: str
) -> None:
    visit, phone = await told(bench, anonymous)
    assert (await phone.says(text))["outcome"] == "stopped"
    assert await phone.barred() == [f"{phone.number} opted_out"]
    assert len(await texts(bench, "reply_stopped")) == 1
    await phone.says("stop")
    assert len(await texts(bench, "reply_stopped")) == 1
    assert await phone.tasks() == []
    bench.clock.at = visit.starts_at - timedelta(hours=24)
    await bench.drain()
    assert [one.channel for one in await bench.outbox()][-1] == "email"


async def test_a_provider_is_given_the_answer_to_a_stop_and_nothing_more(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    _, phone = await told(bench, anonymous)
    provider = Provider()
    await phone.says("stop")
    await phone.says("1")  # its answer is not sent: they asked for no more
    await dispatch.drain(by_sms(bench, provider.calls()))
    [message] = provider.got
    assert message.recipient == phone.number
    assert "you will get no more text messages" in message.text.body
    assert {row.notification_type: row.delivery_status for row in await bench.rows()
            if row.notification_type.startswith("reply_")} == {
        "reply_stopped": "accepted", "reply_confirmed": "suppressed",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["CANCEL", "end", "Quit", "cancelar", "annuler", "hủy"])
async def test_a_bare_cancel_is_a_stop_and_a_task(
    bench: Bench, anonymous: httpx.AsyncClient, text: str
) -> None:
    visit, phone = await told(bench, anonymous)
    assert (await phone.says(text))["outcome"] == "stopped_unsure"
    assert await phone.barred() == [f"{phone.number} opted_out"]
    assert await phone.tasks() == [("clarify_opt_out", "may_have_meant_the_visit")]
    assert await status(bench.clinic, visit) == "scheduled"
    assert len(await texts(bench, "reply_stopped")) == 1


async def test_start_opens_what_a_stop_closed_and_nothing_else(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    _, phone = await told(bench, anonymous)
    await phone.says("stop")
    await phone.says("START")
    assert await phone.barred() == []
    assert len(await texts(bench, "reply_started")) == 1
    await bench.sql(
        "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at) VALUES"
        " (gen_random_uuid(), $1, 'sms', $2, 'staff', now())", bench.clinic.tenant_id,
        phone.number,
    )  # fmt: skip
    await phone.says("start")
    assert await phone.barred() == [f"{phone.number} staff"]
    assert len(await texts(bench, "reply_started")) == 1


async def test_the_profile_says_what_its_owner_said_by_text(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, phone = await told(bench, anonymous)
    path = f"/patients/{visit.patient_id}"

    async def consents() -> Any:
        return (await bench.clinic.get(path)).json()["data"]["consent_settings"].get("sms")

    await phone.says("stop")
    assert await consents() is False
    await bench.drain()
    assert "reply_stopped" in {one.notification_type for one in await sent_by_sms(bench)}
    await phone.says("START")
    assert await consents() is True
    told_of = await bench.clinic.get("/audit", params={"entity_id": str(visit.patient_id)})
    actions = [one["action"] for one in told_of.json()["data"]["items"]]
    assert actions.count("consent") == 2


async def sent_by_sms(bench: Bench) -> list[Any]:
    reached = {kept.notification_id for kept in await bench.outbox() if kept.channel == "sms"}
    return [row for row in await bench.rows() if row.id in reached]


async def test_a_stop_outlives_the_lifting_of_a_bounce(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    _, phone = await told(bench, anonymous)
    await bench.sql(
        "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at) VALUES"
        " (gen_random_uuid(), $1, 'sms', $2, 'bounced_hard', now())", bench.clinic.tenant_id,
        phone.number,
    )  # fmt: skip
    await phone.says("stop")
    assert await phone.barred() == [f"{phone.number} opted_out"]


async def test_help_is_answered_even_after_a_stop_and_machines_come_to_an_end(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    _, phone = await told(bench, anonymous)
    await phone.says("stop")
    for _ in range(12):
        await phone.says("HELP")
    answers = await texts(bench, "reply_help")
    assert len(answers) == 9  # ten in an hour, and the stop was answered too
    assert "STOP" in answers[0]
    assert "clinic-" in answers[0]
    bench.clock.forward(hours=1, seconds=1)
    await phone.says("ayuda")
    assert len(await texts(bench, "reply_help")) == 10


async def test_a_stop_is_for_every_clinic_that_wrote_and_anything_else_for_the_last(
    bench: Bench, other_clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    _, phone = await told(bench, anonymous)
    other = await bench.elsewhere(other_clinic)
    bench.clock.forward(minutes=5)
    same = {"telecom": [{"system": "phone", "value": phone.number}]}
    _, second = await told(other, anonymous, patient_id=await other.patient(contact_info=same))
    assert second.number == phone.number
    await second.says("1")
    assert len(await second.replies()) == 1
    assert await phone.replies() == []
    await phone.says("stop")
    assert [one["outcome"] for one in await phone.replies()] == ["stopped"]
    assert await phone.barred() == await second.barred() == [f"{phone.number} opted_out"]


async def test_the_message_that_is_answered_names_the_clinic(
    bench: Bench, other_clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    _, phone = await told(bench, anonymous)
    other = await bench.elsewhere(other_clinic)
    same = {"telecom": [{"system": "phone", "value": phone.number}]}
    bench.clock.forward(minutes=5)
    await told(other, anonymous, patient_id=await other.patient(contact_info=same))
    await bench.sql(
        "UPDATE notification_attempts SET driver = 'http', provider_message_id = 'm-1'"
        " WHERE channel = 'sms'"
    )
    assert (await phone.says("1", in_reply_to="m-1"))["outcome"] == "confirming"


# --- what is not understood ----------------------------------------------------------------------


async def test_what_is_not_understood_is_for_staff_to_read(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, phone = await told(bench, anonymous)
    reply = await phone.says("Can I cancel? My chest hurts.")
    assert (reply["intent"], reply["outcome"]) == ("unknown", "unread")
    assert reply["body"] == "Can I cancel? My chest hurts."
    assert await phone.tasks() == [("read_reply", "not_understood")]
    [task] = (await bench.clinic.get("/tasks")).json()["data"]["items"]
    assert (task["focus_type"], task["focus_id"]) == ("reply", reply["id"])
    read = await bench.clinic.get(f"/replies/{reply['id']}")
    assert read.json()["data"] == reply
    await phone.says("hello?")
    assert len(await phone.tasks()) == 1
    assert len(await texts(bench, "reply_will_call")) == 1
    assert await status(bench.clinic, visit) == "scheduled"


@pytest.mark.parametrize("text", ["thank you", "🙏", "taken", "skip"])
async def test_courtesies_and_doses_are_kept_and_need_nobody(
    bench: Bench, anonymous: httpx.AsyncClient, text: str
) -> None:
    _, phone = await told(bench, anonymous)
    assert (await phone.says(text))["outcome"] == "noted"
    assert await phone.tasks() == []
    assert not [one for one in await bench.rows() if one.notification_type.startswith("reply_")]


async def test_a_number_that_nobody_wrote_to_is_dropped(
    bench: Bench, other_clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    del other_clinic  # with one clinic alone it would be that one's
    phone = Phone(bench.clinic, bench.clock, anonymous, "+14155559876")
    assert (await phone.post("hello")).status_code == 200
    await receiving.receive_due()
    assert await phone.replies() == []
    assert await left() == 0


async def test_a_wish_without_a_visit_is_read_by_somebody(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, phone = await told(bench, anonymous)
    bench.clock.at = visit.starts_at + timedelta(days=9)
    assert (await phone.says("reschedule"))["outcome"] == "change_asked"
    assert await phone.tasks() == [("change_requested", "no_visit_found")]
    assert len(await texts(bench, "reply_will_call")) == 1


async def test_what_can_never_be_dealt_with_is_given_up_after_a_week(
    bench: Bench, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, phone = await told(bench, anonymous)

    async def failing(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(receiving, "receive", failing)
    await phone.post("1")
    looks = 0
    while await left() and looks < 50:
        bench.clock.forward(hours=6)
        looks += await receiving.receive_due()
    assert looks == 28  # seven days
    assert await phone.replies() == []


async def test_two_at_once_from_one_number_are_read_one_after_the_other(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    _, phone = await told(bench, anonymous)
    for _ in range(6):
        await phone.post("stop")
    await asyncio.gather(*(receiving.receive_due(1) for _ in range(6)))
    await receiving.receive_due()
    assert len(await phone.replies()) == 6
    assert await phone.barred() == [f"{phone.number} opted_out"]
    assert len(await texts(bench, "reply_stopped")) == 1


async def test_two_at_once_see_each_other(bench: Bench, anonymous: httpx.AsyncClient) -> None:
    """Both wait for the number, which is held until they do; then one is asked, and one is not."""
    first, phone = await told(bench, anonymous)
    await told(bench, anonymous, patient_id=first.patient_id,
               starts_at=first.starts_at + timedelta(days=2))  # fmt: skip
    for _ in range(2):
        await phone.post("yes")
    tenant_id = bench.clinic.tenant_id
    async with begin(bench.clinic.caller) as tx:
        await tx.value(queries.LOCK_SENDER, receiving.lock_key(tenant_id, phone.number))
        rivals = [asyncio.create_task(receiving.receive_due(1)) for _ in range(2)]

        async def both_wait() -> bool:
            return int(await tx.value(_WAITING)) == 2

        await eventually(both_wait, within=5)  # each of them waits for two seconds
    await asyncio.gather(*rivals)
    assert sorted(one["outcome"] for one in await phone.replies()) == ["asked", "unread"]
    assert len(await texts(bench, "reply_which")) == 1


async def test_the_workers_loops_do_all_of_it(
    bench: Bench, anonymous: httpx.AsyncClient, taking: Settings
) -> None:
    visit, phone = await told(bench, anonymous)
    stop = asyncio.Event()
    loops = worker.loops(taking, bench.channels, {LOOP: asyncio.Event()}, stop)
    running = [asyncio.ensure_future(loops[name]()) for name in ("inbound", "replies")]
    try:
        await phone.post("1")

        async def confirmed() -> bool:
            return await status(bench.clinic, visit) == "confirmed"

        await eventually(confirmed)
    finally:
        stop.set()
        await asyncio.gather(*running)


async def test_a_reply_that_cannot_be_dealt_with_stands_in_no_others_way(
    bench: Bench, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, phone = await told(bench, anonymous)
    await phone.post("poison")
    await phone.post("1")
    receive = receiving.receive

    async def failing(tenant_id: UUID, row: Any) -> None:
        if row.body == "poison":
            raise ZeroDivisionError
        await receive(tenant_id, row)

    monkeypatch.setattr(receiving, "receive", failing)
    await receiving.receive_due()
    assert [one["body"] for one in await phone.replies()] == ["1"]
    assert await left() == 1
    assert await receiving.receive_due() == 0  # it waits
    monkeypatch.setattr(receiving, "receive", receive)
    bench.clock.forward(minutes=1)
    await receiving.receive_due()
    assert len(await phone.replies()) == 2
    assert await left() == 0
    assert visit
