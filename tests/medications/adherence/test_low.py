"""Low adherence from end to end: noticed once, told to whom it concerns, over with hysteresis."""

from datetime import date, timedelta
from typing import Any

import pytest

from chroniccare.core.errors import Unavailable
from chroniccare.medications.adherence import alerts
from chroniccare.medications.adherence.inferring import infer_missed
from chroniccare.platform.postgres import begin
from tests.client import Clinic
from tests.medications.adherence.support import EpisodeRow, Taking, events, sql, taking
from tests.notifications.preferences.support import related, sent
from tests.notifications.support import NOON, Bench, Row

DAY = timedelta(days=1)
LOW, WELL = "medication.adherence.low", "medication.adherence.recovered"
HERS = "+14155550999"


async def prescribed(bench: Bench, count: int = 40, **fields: Any) -> Taking:
    """Prescribe a daily dose at noon, planned for `count` days from today on."""
    patient = await bench.patient()
    made = await taking(bench.clinic, patient, bench.provider_id, **fields)
    await made.plan(*(NOON + n * DAY for n in range(count)))
    return made


async def go(made: Taking, bench: Bench, course: str, first: int = 0) -> int:
    """Report a letter a day, each at noon of its day; return the number of the next dose."""
    for number, letter in enumerate(course, first):
        bench.clock.at = made.due[number]
        await made.report(number, status="taken" if letter == "t" else "missed")
    return first + len(course)


async def tasks(clinic: Clinic, status: str | None = None) -> list[dict[str, Any]]:
    params = {"code": "low_adherence", **({"status": status} if status else {})}
    found: list[dict[str, Any]] = (await clinic.get("/tasks", params=params)).json()["data"][
        "items"
    ]
    return found


async def rows(bench: Bench) -> list[Row]:
    """Return the messages about low adherence; those about doses are none of them."""
    return [row for row in await bench.rows() if row.notification_type == "low_adherence"]


async def messages(bench: Bench) -> list[str]:
    return [row.delivery_status for row in await rows(bench)]


async def test_from_missed_doses_to_the_caregiver_and_back(bench: Bench) -> None:
    clinic = bench.clinic
    made = await prescribed(bench)
    await related(clinic, made.patient_id, categories=["adherence"])
    number = await go(made, bench, "tttttttmtm")  # 8 of 10 are 80 %: not below
    assert (await events(clinic), await made.episodes()) == ([], [])
    number = await go(made, bench, "m", number)  # 8 of 11
    assert await events(clinic) == [LOW]
    assert await made.episodes() == [EpisodeRow("rate", 0, None)]
    # The event is a row for webhooks, with ids alone.
    [event] = await sql(
        clinic, "SELECT jsonb_agg(jsonb_build_object('type', entity_type, 'id', entity_id,"
        " 'payload', payload)) FROM outbox WHERE event_type = $1", LOW,
    )  # fmt: skip
    assert (event["type"], event["id"]) == ("medication", str(made.id))
    assert set(event["payload"]) == {"episode_id", "version"}
    # Patient and caregiver are written to, with no drug and no figure.
    await bench.drain()
    kept = {one.recipient: one for one in await bench.outbox()}
    assert len(kept) == 2
    assert HERS in kept
    for one in kept.values():
        assert bench.facility_name in one.body
        assert "etformin" not in one.body
        assert "%" not in one.body
    [task] = await tasks(clinic)
    assert (task["reason"], task["priority"], task["patient_id"]) == (
        "rate", "normal", str(made.patient_id),
    )  # fmt: skip
    assert task["focus_id"] == str(made.id)
    # Between the thresholds nothing happens, up or down.
    number = await go(made, bench, "t" * 8, number)  # 16 of 19: 84.2 %
    assert await events(clinic) == [LOW]
    number = await go(made, bench, "t", number)  # 17 of 20: 85 %
    assert await events(clinic) == [LOW, WELL]
    assert await made.episodes() == [EpisodeRow("rate", 0, "recovered")]
    assert await tasks(clinic) == []
    [done] = await tasks(clinic, "completed")
    assert done["outcome"] == "recovered"
    await go(made, bench, "m", number)
    assert await events(clinic) == [LOW, WELL]
    await bench.drain()
    assert len(await bench.outbox()) == 2


async def test_the_next_episode_is_another_alert(bench: Bench) -> None:
    made = await prescribed(bench)
    number = await go(made, bench, "mmm" + "ttt" + "mmm")
    assert await events(bench.clinic) == [LOW, WELL, LOW]
    assert [one.reason for one in await made.episodes()] == ["missed_doses"] * 2
    await go(made, bench, "mm", number)
    assert await events(bench.clinic) == [LOW, WELL, LOW]


@pytest.mark.parametrize(
    ("fields", "alerts_"),
    [
        ({}, []),
        ({"drug_class": "antiretroviral"}, [LOW]),
        ({"threshold": 95}, [LOW]),
        ({"threshold": 60, "drug_class": "antiretroviral"}, []),
    ],
)
async def test_the_threshold_is_the_drugs(
    bench: Bench, fields: dict[str, Any], alerts_: list[str]
) -> None:
    made = await prescribed(bench, **fields)
    await go(made, bench, "tttttttttm" + "tm")  # 10 of 12: 83.3 %
    assert await events(bench.clinic) == alerts_


async def test_doses_further_back_than_thirty_days_do_not_count(bench: Bench) -> None:
    made = await prescribed(bench, 60)
    await go(made, bench, "mmttttttt")
    await go(made, bench, "t" * 10 + "mm", 35)
    assert await events(bench.clinic) == []


async def test_a_caregiver_hears_again_and_then_the_care_team(bench: Bench) -> None:
    made = await prescribed(bench)
    await related(bench.clinic, made.patient_id, categories=["adherence"])
    number = await go(made, bench, "mmmm")
    await bench.drain()
    assert len(await bench.outbox()) == 2
    number = await go(made, bench, "m", number)  # five in a row
    await bench.drain()
    assert [to for _, to in await sent(bench)].count(HERS) == 2
    assert len(await bench.outbox()) == 3
    assert [one["priority"] for one in await tasks(bench.clinic)] == ["normal"]
    number = await go(made, bench, "mmm", number)  # eight
    assert [one["priority"] for one in await tasks(bench.clinic)] == ["normal", "high"]
    number = await go(made, bench, "mm", number)
    assert await made.episodes() == [EpisodeRow("missed_doses", 2, None)]
    assert await events(bench.clinic) == [LOW]
    await bench.drain()
    assert len(await bench.outbox()) == 3
    audited = await sql(
        bench.clinic, "SELECT array_agg(action ORDER BY id) FROM audit_logs"
        " WHERE entity_type = 'adherence_episode'",
    )  # fmt: skip
    assert audited == ["open", "escalate", "escalate"]


async def test_a_task_that_somebody_works_on_is_theirs_to_finish(bench: Bench) -> None:
    made = await prescribed(bench)
    number = await go(made, bench, "mmm")
    [task] = await tasks(bench.clinic)
    await bench.clinic.post(f"/tasks/{task['id']}/claim", {"worker": "Dana"})
    await go(made, bench, "ttt", number)
    assert await events(bench.clinic) == [LOW, WELL]
    [still] = await tasks(bench.clinic)
    assert still["assigned_to"] == "Dana"


async def test_what_has_recovered_before_it_was_sent_is_not_sent(bench: Bench) -> None:
    made = await prescribed(bench)
    number = await go(made, bench, "mmm")
    assert await messages(bench) == ["pending"]
    await go(made, bench, "ttt", number)
    assert await messages(bench) == ["cancelled"]
    await bench.drain()
    assert await bench.outbox() == []


async def test_of_a_stopped_medication_nothing_is_sent(bench: Bench) -> None:
    made = await prescribed(bench)
    await go(made, bench, "mmm")
    await sql(
        bench.clinic, "UPDATE medications SET status = 'stopped', stopped_at = $1", bench.clock.at
    )
    await bench.drain()
    assert await messages(bench) == ["cancelled"]
    assert [row.details["reason"] for row in await rows(bench)] == ["care_over"]
    async with begin(bench.clinic.caller) as tx:
        await alerts.reconsider(tx, [made.id])
    assert await made.episodes() == [EpisodeRow("missed_doses", 0, "ended")]
    assert await events(bench.clinic) == [LOW]
    assert await tasks(bench.clinic) == []


async def test_who_has_died_raises_no_alarm(bench: Bench) -> None:
    low, other = await prescribed(bench), await prescribed(bench)
    await go(low, bench, "mmm")
    await go(other, bench, "t" * 10)
    await sql(bench.clinic, "UPDATE patients SET treatment_status = 'deceased'")
    bench.clock.at = other.due[20]
    await infer_missed(bench.clinic.tenant_id)
    assert [one.closed_reason for one in await low.episodes()] == ["ended"]
    assert await other.episodes() == []
    assert await events(bench.clinic) == [LOW]


async def test_stopping_gives_the_message_up_at_once(bench: Bench) -> None:
    made = await prescribed(bench)
    await go(made, bench, "mmm")
    async with begin(bench.clinic.caller) as tx:
        await tx.connection.execute("UPDATE medications SET status = 'on_hold'")
        await alerts.reconsider(tx, [made.id])
    assert await messages(bench) == ["cancelled"]


async def test_several_medications_make_one_message_a_day(bench: Bench) -> None:
    one = await prescribed(bench)
    other = await taking(bench.clinic, one.patient_id, bench.provider_id)
    await other.plan(*(NOON + n * DAY for n in range(10)))
    for number in range(3):
        bench.clock.at = one.due[number]
        await one.report(number, status="missed")
        await other.report(number, status="missed")
    assert await events(bench.clinic) == [LOW, LOW]
    assert len(await tasks(bench.clinic)) == 2
    assert await messages(bench) == ["pending"]
    await go(one, bench, "ttt", 3)
    assert await messages(bench) == ["pending"]  # the other one is low still
    await go(other, bench, "ttt", 3)
    assert await messages(bench) == ["cancelled"]


async def test_at_night_it_waits_for_the_morning(bench: Bench) -> None:
    made = await prescribed(bench)
    number = await go(made, bench, "mm")
    bench.clock.at = made.due[number] + timedelta(hours=12)  # midnight in New York
    await made.report(number, status="missed")
    await bench.drain()
    assert await bench.outbox() == []
    bench.clock.forward(hours=8, minutes=1)
    await bench.drain()
    assert len(await bench.outbox()) == 1


async def test_who_cannot_be_reached_is_seen_by_staff(bench: Bench) -> None:
    patient = await bench.patient(contact_info={"telecom": []})
    made = await taking(bench.clinic, patient, bench.provider_id)
    await made.plan(*(NOON + n * DAY for n in range(5)))
    await go(made, bench, "mmm")
    [row] = await rows(bench)
    assert (row.delivery_status, row.details["reason"]) == ("suppressed", "no_contact_point")
    assert len(await tasks(bench.clinic)) == 1


async def test_a_caregiver_of_other_things_hears_nothing(bench: Bench) -> None:
    made = await prescribed(bench)
    await related(bench.clinic, made.patient_id, categories=["appointments"])
    await go(made, bench, "mmmmm")
    await bench.drain()
    assert HERS not in [to for _, to in await sent(bench)]


async def test_a_caregiver_may_receive_in_the_patients_place(bench: Bench) -> None:
    made = await prescribed(bench)
    await related(bench.clinic, made.patient_id, categories=["adherence"], receives="instead")
    await go(made, bench, "mmm")
    await bench.drain()
    assert [to for _, to in await sent(bench)] == [HERS]


async def test_no_supply_for_as_long_as_the_last_one_lasted(bench: Bench) -> None:
    made = await prescribed(bench)
    await made.fill(NOON.date() - 60 * DAY, 30)
    await go(made, bench, "m")
    assert [one.reason for one in await made.episodes()] == ["gap"]
    await made.fill(date(2031, 3, 4), 30)
    async with begin(bench.clinic.caller) as tx:
        await alerts.reconsider(tx, [made.id])
    assert await events(bench.clinic) == [LOW, WELL]


async def test_silence_alone_is_no_alert_but_that_of_who_reports_is(bench: Bench) -> None:
    silent, talking = await prescribed(bench), await prescribed(bench)
    await go(talking, bench, "t" * 10)
    bench.clock.at = talking.due[13]
    assert await infer_missed(bench.clinic.tenant_id) == 13 + 3
    assert await silent.episodes() == []
    assert await talking.episodes() == [EpisodeRow("missed_doses", 0, None)]
    # Somebody remembers: the inference is corrected, and the episode over once ten are taken well.
    await talking.report(11, status="taken", source="caregiver")
    assert await talking.episodes() == [EpisodeRow("missed_doses", 0, "recovered")]


async def test_an_alert_that_fails_takes_its_report_along(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await prescribed(bench)
    await go(made, bench, "mm")

    async def broken(*_: Any) -> None:
        raise Unavailable

    monkeypatch.setattr(alerts, "plan_messages", broken)
    bench.clock.at = made.due[2]
    assert (await made.post(2, status="missed")).status_code == 503
    assert (await made.states())[2].state == "planned"
    assert await events(bench.clinic) == []
    assert await made.episodes() == []
