"""What a patient chose, and what staff see of it."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chroniccare.notifications.preferences import optouts
from chroniccare.notifications.receipts.actions import store
from chroniccare.notifications.receipts.applying import apply_due
from chroniccare.platform.postgres import Command, begin, begin_system
from tests.client import Clinic
from tests.notifications.preferences.support import (
    ALL,
    NOTHING,
    bar,
    prefer,
    preferences,
    related,
    telecom,
    verdicts,
)
from tests.notifications.provider import Provider
from tests.notifications.receipts.test_applying import calling, tell, told
from tests.notifications.support import NOON, Bench, eventually

_AUDITED = Command(
    "SELECT array_agg(action ORDER BY created_at, id) FROM audit_logs WHERE entity_id = $1"
)
_CHANGES = Command("SELECT changes FROM audit_logs WHERE entity_id = $1 AND action = $2")
_EVENTS = Command("SELECT array_agg(event_type ORDER BY created_at, id) FROM outbox")
_BLOCKED = Command("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
_IDS = Command("SELECT id FROM notification_attempts")


async def audited(clinic: Clinic, entity_id: Any) -> list[str]:
    async with begin(clinic.caller) as tx:
        return list(await tx.value(_AUDITED, entity_id))


async def test_without_a_choice_care_is_written_about_by_sms_then_email(clinic: Clinic) -> None:
    patient = await clinic.patient()
    found = await preferences(clinic, patient["id"])
    assert [one["category"] for one in found["categories"]] == list(ALL)
    for category in ALL:
        assert verdicts(found, category) == {
            "sms": None,
            "email": None,
            "push": "no_contact_point",
        }
    assert found["consents"] == {"sms": None, "email": None, "push": None}
    assert (found["country"], found["country_pack"], found["reachable"]) == ("US", "US", True)
    assert found["effective_quiet_hours"] == [
        {"start": "21:00", "end": "08:00", "source": "clinic"},
        {"start": "21:00", "end": "08:00", "source": "law"},
    ]
    assert await audited(clinic, patient["id"]) == ["create", "read_preferences"]


async def test_what_is_put_is_answered_and_what_follows_from_it(clinic: Clinic) -> None:
    patient = await clinic.patient()
    found = await prefer(
        clinic,
        patient["id"],
        channels=["email", "sms"],
        consents={"email": True, "push": False},
        categories=[
            {"category": "recalls", "enabled": False},
            {"category": "refills", "channels": ["sms"]},
            {"category": "waitlist", "enabled": True, "channels": []},
        ],
        quiet_hours={"start": "19:30", "end": "09:00"},
    )
    assert found == await preferences(clinic, patient["id"])
    assert (found["version"], found["channels"]) == (2, ["email", "sms"])
    assert found["consents"] == {"sms": None, "email": True, "push": False}
    assert found["effective_quiet_hours"][2] == {
        "start": "19:30",
        "end": "09:00",
        "source": "patient",
    }
    assert set(verdicts(found, "recalls").values()) == {"category_off"}
    assert verdicts(found, "refills") == {
        "sms": None,
        "email": "channel_not_wanted",
        "push": "channel_not_wanted",
    }
    [waitlist] = [one for one in found["categories"] if one["category"] == "waitlist"]
    assert [one["channel"] for one in waitlist["by_channel"]] == ["email", "sms", "push"]
    assert waitlist["enabled"] is True
    again = await prefer(clinic, patient["id"])
    assert (again["channels"], again["quiet_hours"]) == ([], None)
    assert all(one["enabled"] and not one["channels"] for one in again["categories"])


async def test_the_patients_record_and_the_preferences_keep_each_others_fields(
    clinic: Clinic,
) -> None:
    body = clinic.patient_body(consent_settings={"sms": False, "research": {"signed": "2030"}})
    patient = await clinic.make("/patients", body)
    await prefer(
        clinic, patient["id"], channels=["email"], consents={"email": True},
        categories=[{"category": "recalls", "enabled": False}],
    )  # fmt: skip
    stored = (await clinic.get(f"/patients/{patient['id']}")).json()["data"]
    assert stored["consent_settings"] == {"email": True, "research": {"signed": "2030"}}
    assert stored["communication_preferences"] == {"channels": ["email"]}
    assert stored["version"] == 2
    body["consent_settings"] = {"sms": False}
    body["communication_preferences"] = {"channels": ["sms", "email"]}
    assert (await clinic.put(f"/patients/{patient['id']}", body)).status_code == 200
    found = await preferences(clinic, patient["id"])
    assert (found["version"], found["channels"]) == (3, ["sms", "email"])
    assert set(verdicts(found, "recalls").values()) == {"category_off"}
    assert verdicts(found)["sms"] == "no_consent"


async def test_a_change_is_audited_told_and_guarded_by_the_patients_version(bench: Bench) -> None:
    clinic = bench.clinic
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/notification-preferences"
    stale = await clinic.put(path, NOTHING, headers={"If-Match": '"7"'})
    assert (stale.status_code, (await preferences(clinic, patient["id"]))["version"]) == (412, 1)
    done = await clinic.put(
        path, {**NOTHING, "consents": {"sms": False}}, headers={"If-Match": '"1"'}
    )
    assert (done.status_code, done.headers["etag"]) == (200, '"2"')
    async with begin(clinic.caller) as tx:
        changes = await tx.value(_CHANGES, patient["id"], "update_preferences")
        assert changes == {"before": {"consents": {}}, "after": {"consents": {"sms": False}}}
        assert "preferences.updated" in await tx.value(_EVENTS)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channels": ["sms", "sms"]}, "channels"),
        ({"channels": ["fax"]}, "channels.0"),
        ({"consents": {"sms": "yes"}}, "consents.sms"),
        ({"categories": [{"category": "adverts"}]}, "categories.0.category"),
        ({"categories": [{"category": "recalls"}] * 2}, "categories"),
        ({"quiet_hours": {"start": "9:00", "end": "10:00"}}, "quiet_hours.start"),
        ({"quiet_hours": {"start": "10:00", "end": "10:00"}}, "quiet_hours"),
        ({"quiet_hours": {"start": "11:30", "end": "08:00"}}, "quiet_hours"),
        ({"language": "en"}, "language"),
    ],
)
async def test_nonsense_is_refused_and_changes_nothing(
    clinic: Clinic, change: dict[str, Any], field: str
) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/notification-preferences"
    response = await clinic.put(path, {**NOTHING, **change})
    assert response.status_code in {400, 422}
    assert [one["field"] for one in response.json()["error"]["details"]] == [field]
    assert (await preferences(clinic, patient["id"]))["version"] == 1


async def test_own_quiet_hours_must_leave_four_hours_of_a_day(clinic: Clinic) -> None:
    patient = await clinic.patient()  # 08:00 to 21:00 is open
    found = await prefer(clinic, patient["id"], quiet_hours={"start": "12:00", "end": "08:00"})
    assert found["quiet_hours"] == {"start": "12:00", "end": "08:00"}
    path = f"/patients/{patient['id']}/notification-preferences"
    body = {**NOTHING, "quiet_hours": {"start": "11:59", "end": "08:00"}}
    assert (await clinic.put(path, body)).status_code == 422


async def test_unknown_and_removed_patients_have_none(clinic: Clinic) -> None:
    gone = (await clinic.patient())["id"]
    await clinic.delete(f"/patients/{gone}")
    for patient_id in (uuid4(), gone):
        path = f"/patients/{patient_id}/notification-preferences"
        assert (await clinic.get(path)).status_code == 404
        assert (await clinic.put(path, NOTHING)).status_code == 404
        body = {"channel": "sms", "because": "asked"}
        assert (await clinic.post(f"{path}/resubscribe", body)).status_code == 404


@pytest.mark.parametrize(
    "fields", [{"treatment_status": "deceased"}, {"is_active": False}], ids=["deceased", "inactive"]
)
async def test_the_dead_and_the_inactive_are_not_written_to_nor_are_their_proxies(
    clinic: Clinic, fields: dict[str, Any]
) -> None:
    body = clinic.patient_body()
    patient = await clinic.make("/patients", body)
    await related(clinic, patient["id"])
    assert (await clinic.put(f"/patients/{patient['id']}", {**body, **fields})).status_code == 200
    found = await preferences(clinic, patient["id"])
    assert found["reachable"] is False
    assert set(verdicts(found).values()) == {"patient_inactive"}
    [proxy] = found["related_persons"]
    reasons = {one["reason"] for one in proxy["categories"][0]["by_channel"]}
    assert reasons == {"patient_inactive"}


async def test_who_has_no_contact_points_is_shown_so(clinic: Clinic) -> None:
    patient = await clinic.patient(contact_info={"telecom": []})
    found = await preferences(clinic, patient["id"])
    assert verdicts(found)["sms"] == verdicts(found)["email"] == "no_contact_point"


@pytest.mark.parametrize("kind", ["opted_out", "complained", "bounced_hard"])
async def test_an_opt_out_that_a_provider_reports_withdraws_the_consent_in_the_profile(
    bench: Bench, kind: Any
) -> None:
    clinic = bench.clinic
    provider = Provider()
    body = {"contact_info": telecom(("phone", "+14155550111"), ("email", "maria@example.com"))}
    patient, sister = await clinic.patient(**body), await clinic.patient(**body)
    path = f"/patients/{patient['id']}"
    assert (await clinic.get(path)).json()["data"]["consent_settings"] == {}  # and it is cached
    bench.channels = calling(bench, provider)
    await bench.planned(patient_id=UUID(patient["id"]))
    await bench.drain()
    async with begin(clinic.caller) as tx:
        [attempt] = await tx.values(_IDS)
    await tell(bench, told(kind, attempt))
    withdrawn = {} if kind == "bounced_hard" else {"sms": False}
    for one in (patient, sister):
        stored = (await clinic.get(f"/patients/{one['id']}")).json()["data"]
        assert stored["consent_settings"] == withdrawn
        assert stored["version"] == 1 + len(withdrawn)
        found = await preferences(clinic, one["id"])
        assert verdicts(found)["sms"] == ("no_consent" if withdrawn else "opted_out")
        assert verdicts(found)["email"] is None
        [barred] = found["opt_outs"]
        assert (barred["channel"], barred["address"]) == ("sms", "+14155550111")
        assert barred["reason"] == kind
        assert ("consent" in await audited(clinic, one["id"])) == bool(withdrawn)


async def test_an_opt_out_and_a_visit_that_changes_do_not_wait_for_each_other(
    bench: Bench,
) -> None:
    """Both lock the patient first and then the messages."""
    patient_id = await bench.patient(contact_info=telecom(("phone", "+14155550111")))
    bench.channels = calling(bench, Provider())
    visit = await bench.planned(patient_id=patient_id)
    await bench.drain()
    async with begin(bench.clinic.caller) as tx:
        [attempt] = await tx.values(_IDS)
    await store([told("opted_out", attempt)])
    bench.clock.forward(seconds=2)
    async with begin(bench.clinic.caller) as tx:  # a booking
        await tx.run(Command("SELECT id FROM patients WHERE id = $1 FOR SHARE"), patient_id)
        applying = asyncio.create_task(apply_due())
        async with begin_system("test") as other:

            async def waits() -> bool:
                return bool(await other.value(_BLOCKED))

            await eventually(waits)
        changed = await tx.run(
            Command("UPDATE notifications SET updated_at = updated_at WHERE appointment_id = $1"),
            visit.appointment_id,
        )
        assert changed == 4
    await applying
    found = await preferences(bench.clinic, patient_id)
    assert (found["consents"]["sms"], len(found["opt_outs"])) == (False, 1)


async def test_only_the_explicit_act_lets_somebody_who_opted_out_be_written_to_again(
    bench: Bench,
) -> None:
    clinic = bench.clinic
    patient = await clinic.patient(contact_info=telecom(("phone", "+14155550111")))
    path = f"/patients/{patient['id']}/notification-preferences"
    asked = {"channel": "sms", "because": "asked at the front desk"}
    nothing = await clinic.post(f"{path}/resubscribe", asked)
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (409, "NOT_OPTED_OUT")
    await bar(bench, "sms", "+14155550111")
    async with begin(clinic.caller) as tx:
        await optouts.recorded(tx, channel="sms", address="+14155550111", reason="opted_out")
    refused = await clinic.put(path, {**NOTHING, "consents": {"sms": True}})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "OPTED_OUT")
    assert error["details"][0]["field"] == "consents.sms"
    assert (await clinic.put(path, {**NOTHING, "consents": {"sms": False}})).status_code == 200
    key = {"Idempotency-Key": str(uuid4())}
    lifted = await clinic.post(f"{path}/resubscribe", asked, headers=key)
    again = await clinic.post(f"{path}/resubscribe", asked, headers=key)
    assert (lifted.status_code, again.status_code) == (200, 200)
    found = await preferences(clinic, patient["id"])
    assert (found["opt_outs"], found["consents"]["sms"]) == ([], True)
    assert verdicts(found)["sms"] is None
    assert (await audited(clinic, patient["id"])).count("resubscribe") == 1
    async with begin(clinic.caller) as tx:
        assert (await tx.value(_EVENTS)).count("contact.restored") == 1
        because = await tx.value(Command("SELECT lifted_because FROM suppressions"))
    assert because == asked["because"]


async def test_an_opt_out_of_an_old_address_does_not_bar_the_new_one(bench: Bench) -> None:
    clinic = bench.clinic
    patient = await clinic.patient(contact_info=telecom(("phone", "+14155550111")))
    await bar(bench, "sms", "+14155550112")
    found = await prefer(clinic, patient["id"], consents={"sms": True})
    assert (verdicts(found)["sms"], found["opt_outs"]) == (None, [])
    # A number that is barred for SMS is another matter than an email address.
    await bar(bench, "email", "+14155550111")
    assert (await preferences(clinic, patient["id"]))["opt_outs"] == []


async def test_waiting_messages_follow_the_preferences_of_the_moment_they_are_due(
    bench: Bench,
) -> None:
    patient_id = await bench.patient()
    await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    await bench.drain()
    await prefer(
        bench.clinic, patient_id, categories=[{"category": "appointments", "channels": ["email"]}]
    )
    bench.clock.at = NOON + timedelta(days=1)
    await bench.drain()
    await prefer(
        bench.clinic, patient_id, categories=[{"category": "appointments", "enabled": False}]
    )
    bench.clock.at = NOON + timedelta(days=3)
    await bench.drain()
    await prefer(bench.clinic, patient_id, channels=["sms"])
    bench.clock.at = NOON + timedelta(days=3, hours=22)
    await bench.drain()
    two, one_day, three_days, confirmation = await bench.rows()
    assert (confirmation.channel, three_days.channel, two.channel) == ("sms", "email", "sms")
    assert three_days.details["skipped"] == {"sms": "channel_not_wanted"}
    assert (one_day.delivery_status, one_day.details["reason"]) == ("suppressed", "category_off")


async def test_a_channel_that_is_chosen_after_planning_is_used(bench: Bench) -> None:
    patient_id = await bench.patient()
    await prefer(bench.clinic, patient_id, channels=["email"])
    await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    await bench.drain()
    await prefer(bench.clinic, patient_id, channels=["sms", "email"])
    bench.clock.at = NOON + timedelta(days=1)
    await bench.drain()
    await prefer(bench.clinic, patient_id)
    bench.clock.at = NOON + timedelta(days=3)
    await bench.drain()
    assert [row.channel for row in await bench.rows()][1:] == ["email", "sms", "email"]


async def test_own_quiet_hours_hold_a_reminder(bench: Bench) -> None:
    patient_id = await bench.patient()
    await prefer(bench.clinic, patient_id, quiet_hours={"start": "11:00", "end": "15:00"})
    await bench.planned(NOON + timedelta(days=4), patient_id=patient_id)
    rows = await bench.rows()
    assert [row.next_attempt_at - NOON for row in rows] == [
        timedelta(days=3, hours=22),  # 10:00
        timedelta(days=3, hours=3),  # 15:00, not noon
        timedelta(days=1, hours=3),
        timedelta(),
    ]
    await prefer(bench.clinic, patient_id, quiet_hours={"start": "14:00", "end": "16:00"})
    bench.clock.at = NOON + timedelta(days=1, hours=3)
    await bench.drain()
    held = (await bench.rows())[2]
    assert (held.delivery_status, held.next_attempt_at - NOON) == (
        "held",
        timedelta(days=1, hours=4),
    )


async def test_who_wants_no_confirmation_has_it_suppressed_when_it_is_planned(bench: Bench) -> None:
    patient_id = await bench.patient()
    await prefer(
        bench.clinic, patient_id, categories=[{"category": "appointments", "enabled": False}]
    )
    await bench.planned(patient_id=patient_id)
    confirmation = (await bench.rows())[-1]
    assert (confirmation.delivery_status, confirmation.details["reason"]) == (
        "suppressed",
        "category_off",
    )


async def test_a_receipt_of_another_clinic_changes_nobodys_consent(
    bench: Bench, other_clinic: Clinic
) -> None:
    there = await other_clinic.patient(contact_info=telecom(("phone", "+14155550111")))
    await bench.clinic.patient(contact_info=telecom(("phone", "+14155550111")))
    async with begin(bench.clinic.caller) as tx:
        await optouts.recorded(tx, channel="sms", address="+14155550111", reason="opted_out")
    assert (await preferences(other_clinic, there["id"]))["consents"]["sms"] is None
