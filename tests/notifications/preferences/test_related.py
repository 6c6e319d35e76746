"""Who receives a patient's messages with them, or in their place."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chroniccare.notifications.proxies import actions
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.notifications.preferences.support import (
    bar,
    caregiver,
    prefer,
    preferences,
    related,
    sent,
    telecom,
    verdicts,
)
from tests.notifications.support import NOON, Bench

PHONE, HERS = "+14155550111", "+14155550999"
_EVENTS = Command(
    "SELECT array_agg(event_type ORDER BY created_at, id) FROM outbox"
    " WHERE entity_type = 'related_person'"
)
_AUDITED = Command(
    "SELECT array_agg(action ORDER BY created_at, id) FROM audit_logs"
    " WHERE entity_type = 'related_person'"
)


async def someone(bench: Bench) -> UUID:
    return await bench.patient(contact_info=telecom(("phone", PHONE)))


async def test_a_related_person_is_kept_changed_and_forgotten(clinic: Clinic) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/related-persons"
    made = await related(clinic, patient["id"], period_end="2031-12-31", language="es")
    mine = f"{path}/{made['id']}"
    assert (made["receives"], made["version"], made["period_start"]) == ("besides", 1, None)
    assert made["consents"] == {"sms": True}
    assert made["contact_info"]["telecom"][0]["value"] == HERS
    read = await clinic.get(mine)
    assert (read.json()["data"], read.headers["etag"]) == (made, '"1"')
    assert (await clinic.get(mine, headers={"If-None-Match": '"1"'})).status_code == 304
    body = caregiver(name="Lucia Diaz", is_active=False)
    assert (await clinic.put(mine, body, headers={"If-Match": '"5"'})).status_code == 412
    changed = (await clinic.put(mine, body, headers={"If-Match": '"1"'})).json()["data"]
    assert (changed["name"], changed["version"], changed["language"]) == ("Lucia Diaz", 2, "en")
    assert (await clinic.delete(mine, headers={"If-Match": '"1"'})).status_code == 412
    assert (await clinic.delete(mine)).status_code == 200
    assert (await clinic.get(mine)).status_code == 404
    assert (await clinic.get(path)).json()["data"]["items"] == []
    async with begin(clinic.caller) as tx:
        left = await tx.value(
            Command("SELECT count(*) FROM contact_points WHERE related_person_id IS NOT NULL")
        )
        assert left == 0
        assert await tx.value(_EVENTS) == [
            "related_person.created", "related_person.updated", "related_person.removed",
        ]  # fmt: skip
        assert await tx.value(_AUDITED) == ["create", "read", "read", "update", "delete", "list"]


async def test_they_are_listed_in_pages(clinic: Clinic) -> None:
    patient, other = await clinic.patient(), await clinic.patient()
    await related(clinic, other["id"])
    names = [
        (await related(clinic, patient["id"], name=f"Person {number}"))["name"]
        for number in range(5)
    ]
    path = f"/patients/{patient['id']}/related-persons"
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        data = (await clinic.get(path, params=query)).json()["data"]
        found += [one["name"] for one in data["items"]]
        if data["next_cursor"] is None:
            break
        query["cursor"] = data["next_cursor"]
    assert found == names
    assert (await clinic.get(f"/patients/{uuid4()}/related-persons")).status_code == 404


async def test_a_related_person_is_found_with_their_own_patient_alone(clinic: Clinic) -> None:
    patient, other = await clinic.patient(), await clinic.patient()
    made = await related(clinic, patient["id"])
    path = f"/patients/{other['id']}/related-persons/{made['id']}"
    assert (await clinic.get(path)).status_code == 404
    assert (await clinic.put(path, caregiver())).status_code == 404
    assert (await clinic.delete(path)).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"categories": ["adverts"]}, "categories.0"),
        ({"categories": ["refills", "refills"]}, "categories"),
        ({"receives": "never"}, "receives"),
        ({"period_start": "2031-02-01", "period_end": "2031-01-31"}, "period_end"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"name": ""}, "name"),
        ({"contact_info": telecom(("phone", "555"))}, "contact_info.telecom.0"),
    ],
)
async def test_nonsense_is_refused(clinic: Clinic, change: dict[str, Any], field: str) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/related-persons"
    response = await clinic.post(path, caregiver(**change))
    assert response.status_code in {400, 422}
    assert [one["field"] for one in response.json()["error"]["details"]] == [field]
    assert (await clinic.get(path)).json()["data"]["items"] == []


async def test_a_patient_has_twenty_at_most_also_when_many_are_registered_at_once(
    clinic: Clinic,
) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/related-persons"
    for _ in range(actions.MOST - 2):
        await related(clinic, patient["id"])
    answers = await asyncio.gather(*(clinic.post(path, caregiver()) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [201, 201, 422, 422, 422, 422]


async def test_besides_means_both_and_each_in_their_language_and_zone(bench: Bench) -> None:
    patient_id = await someone(bench)
    person = await related(bench.clinic, patient_id, language="es", time_zone="America/Los_Angeles")
    # A visit at 12:00 in New York; two hours before it is 07:00 in Los Angeles.
    visit = await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    assert len(await bench.rows()) == 8
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", HERS)]
    texts = {kept.recipient: kept.body for kept in await bench.outbox()}
    assert texts[PHONE].startswith("Hello Maria,")
    assert texts[HERS].startswith("Recibe esto porque ayuda a Maria. Hola Maria:")
    data = (await bench.clinic.get(f"/patients/{patient_id}/notifications")).json()["data"]
    who = [one["related_person_id"] for one in data["items"]]
    assert (who.count(None), who.count(person["id"])) == (4, 4)
    async with begin(bench.clinic.caller) as tx:
        times = await tx.values(
            Command(
                "SELECT next_attempt_at FROM notifications WHERE related_person_id IS NOT NULL"
                " AND delivery_status = 'pending' ORDER BY scheduled_send_time DESC LIMIT 1"
            )
        )
    # It waits for the end of her quiet hours: 08:00 in Los Angeles.
    assert times == [datetime(2031, 3, 8, 16, 0, tzinfo=UTC)]
    assert await bench.plan([visit]) == 0
    assert await bench.cancel(visit) == 6


async def test_instead_means_that_the_patient_gets_nothing_while_she_can_be_reached(
    bench: Bench,
) -> None:
    patient_id = await someone(bench)
    person = await related(bench.clinic, patient_id, receives="instead")
    found = await preferences(bench.clinic, patient_id)
    assert verdicts(found)["sms"] == "goes_to_proxy"
    assert verdicts(found, "refills")["sms"] is None
    await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    await bench.drain()
    assert await sent(bench) == [("sms", HERS)]
    given_up = [row for row in await bench.rows() if row.delivery_status == "cancelled"]
    assert [row.notification_type for row in given_up] == ["appointment_confirmation"]
    assert given_up[0].details["reason"] == "goes_to_proxy"
    # Her number is barred: from here on the patient is written to again.
    await bar(bench, "sms", HERS)
    assert verdicts(await preferences(bench.clinic, patient_id))["sms"] is None
    bench.clock.at = NOON + timedelta(days=1)
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", HERS)]
    await bench.sql("UPDATE suppressions SET lifted_at = now()")
    path = f"/patients/{patient_id}/related-persons/{person['id']}"
    assert (await bench.clinic.delete(path)).status_code == 200
    bench.clock.at = NOON + timedelta(days=3)
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", PHONE), ("sms", HERS)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"is_active": False}, "proxy_inactive"),
        ({"period_end": "2031-03-04"}, "proxy_inactive"),
        ({"period_start": "2031-03-06"}, "proxy_inactive"),
        ({"categories": ["refills"]}, "category_off"),
        ({"consents": {"sms": False}}, "no_consent"),
        ({"consents": {}}, "no_consent"),
        ({"channels": ["email"]}, "no_consent"),
        ({"contact_info": {"telecom": []}}, "no_contact_point"),
    ],
)
async def test_what_changed_after_planning_stops_her_messages(
    bench: Bench, fields: dict[str, Any], reason: str
) -> None:
    patient_id = await someone(bench)
    person = await related(bench.clinic, patient_id)
    await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    await bench.drain()
    path = f"/patients/{patient_id}/related-persons/{person['id']}"
    assert (await bench.clinic.put(path, caregiver(**fields))).status_code == 200
    bench.clock.at = NOON + timedelta(days=1)
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", PHONE), ("sms", HERS)]
    reasons = [row.details.get("reason") for row in await bench.rows()]
    assert reasons.count(reason) == 1


async def test_who_joins_later_receives_what_waits_and_who_leaves_nothing_more(
    bench: Bench,
) -> None:
    patient_id = await someone(bench)
    await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    await bench.drain()
    person = await related(bench.clinic, patient_id, receives="instead", categories=["refills"])
    assert len(await bench.rows()) == 4
    path = f"/patients/{patient_id}/related-persons/{person['id']}"
    await bench.clinic.put(path, caregiver(receives="instead"))
    assert len(await bench.rows()) == 7  # the confirmation has gone out already
    await bench.clinic.put(path, caregiver(receives="instead"))
    assert len(await bench.rows()) == 7
    bench.clock.at = NOON + timedelta(days=1)
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", HERS)]
    await bench.clinic.delete(path)
    statuses = await bench.statuses()
    assert statuses.count("cancelled") == 3  # two of hers, and the patient's own reminder
    bench.clock.at = NOON + timedelta(days=3)
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", PHONE), ("sms", HERS)]


async def test_a_reminder_is_never_lost_between_a_booking_and_a_proxy_that_race(
    bench: Bench,
) -> None:
    """Neither transaction sees the other, so she has no message; then the patient has theirs."""
    patient_id = await someone(bench)
    await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    await related(bench.clinic, patient_id, receives="instead")
    await bench.sql("DELETE FROM notifications WHERE related_person_id IS NOT NULL")
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE)]


async def test_a_visit_that_is_moved_or_cancelled_takes_her_messages_with_it(bench: Bench) -> None:
    patient_id = await someone(bench)
    await related(bench.clinic, patient_id)
    visit = await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    await bench.drain()
    assert await bench.cancel_and_tell(visit) == 2
    assert (await bench.statuses()).count("cancelled") == 6
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE)] * 2 + [("sms", HERS)] * 2


async def test_the_patient_may_want_nothing_while_she_receives(bench: Bench) -> None:
    patient_id = await someone(bench)
    await related(bench.clinic, patient_id)
    await prefer(
        bench.clinic, patient_id, categories=[{"category": "appointments", "enabled": False}]
    )
    await bench.planned(patient_id=patient_id)
    await bench.drain()
    assert await sent(bench) == [("sms", HERS)]


async def test_a_message_that_staff_ask_for_reaches_her_too(bench: Bench) -> None:
    patient_id = await someone(bench)
    await related(bench.clinic, patient_id)
    [visit] = await bench.visits([patient_id], NOON + timedelta(days=4))
    body = {
        "appointment_id": str(visit.appointment_id),
        "notification_type": "appointment_reminder",
    }
    made = await bench.clinic.make("/notifications", body)
    assert made["related_person_id"] is None
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", HERS)]


async def test_her_opt_out_is_hers_and_only_she_lifts_it(bench: Bench) -> None:
    patient_id = await someone(bench)
    await bar(bench, "sms", HERS)
    path = f"/patients/{patient_id}/related-persons"
    refused = await bench.clinic.post(path, caregiver())
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "OPTED_OUT")
    person = await related(bench.clinic, patient_id, consents={})
    mine = f"{path}/{person['id']}"
    assert (await bench.clinic.put(mine, caregiver())).status_code == 409
    asked = {"channel": "sms", "because": "wrote to us"}
    lifted = await bench.clinic.post(f"{mine}/resubscribe", asked)
    assert (lifted.status_code, lifted.json()["data"]["consents"]) == (200, {"sms": True})
    again = await bench.clinic.post(f"{mine}/resubscribe", asked)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NOT_OPTED_OUT")
    await bench.planned(patient_id=patient_id)
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", HERS)]


async def test_a_replayed_message_goes_to_whom_it_was_for(bench: Bench) -> None:
    patient_id = await someone(bench)
    await related(bench.clinic, patient_id)
    await bar(bench, "sms", HERS)
    await bench.planned(patient_id=patient_id)
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE)]
    await bench.sql("UPDATE suppressions SET lifted_at = now()")
    replayed = await bench.clinic.post("/notifications/failed/replay", {"limit": 10})
    assert replayed.json()["data"]["requeued"] == 1
    await bench.drain()
    assert await sent(bench) == [("sms", PHONE), ("sms", HERS)]
