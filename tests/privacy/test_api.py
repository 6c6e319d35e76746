"""The rights of a patient: to have everything, to be erased, and what forbids that."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.platform.sealing import is_sealed_bytes
from chroniccare.privacy import actions, retention
from chroniccare.privacy.queries_erasing import KEPT, STEPS
from chroniccare.privacy.queries_tables import NOT_EXPORTED, ROWS
from chroniccare.tasks.actions import New, open_tasks
from tests.client import Clinic
from tests.scheduling.test_api import visit_body

ASKED = {"reason": "Asked in writing."}
CANARIES = (
    "Zebulonia", "Quagmirez", "MRN-CANARY", "+14155550187", "canary@example.com", "Ocelot",
    "+14155550188", "Wombatstreet", "Policy-77-Canary",
)  # fmt: skip


async def planted(clinic: Clinic) -> tuple[str, dict[str, Any]]:
    """Register a patient with words in every place that an API takes; return id and visit."""
    made = await clinic.patient(
        first_name="Zebulonia", last_name="Quagmirez", mrn="MRN-CANARY",
        contact_info={
            "telecom": [
                {"system": "phone", "value": "+14155550187"},
                {"system": "email", "value": "canary@example.com", "rank": 2},
            ],
            "address": {"line": ["7 Wombatstreet"], "city": "Springfield", "country": "US"},
        },
        insurance_info={"member": "Policy-77-Canary"},
        emergency_contact={"name": "Ocelot"},
        primary_diagnosis="Ocelot fever",
    )  # fmt: skip
    related = {
        "name": "Ocelot Quagmirez", "relationship": "spouse", "receives": "besides",
        "contact_info": {"telecom": [{"system": "phone", "value": "+14155550188"}]},
    }  # fmt: skip
    answer = await clinic.post(f"/patients/{made['id']}/related-persons", related)
    assert answer.status_code == 201, answer.text
    body = {**await visit_body(clinic), "patient_id": made["id"], "reason": "Ocelot cough"}
    visit = await clinic.make("/appointments", body)
    await noted(clinic, made["id"], body)
    return made["id"], visit


async def noted(clinic: Clinic, patient_id: str, visit: dict[str, Any]) -> None:
    """Write something about a patient wherever staff can."""
    path, note = f"/patients/{patient_id}", "Ocelot "
    drug = {
        "medication_name": "Testdrug", "sig": "1 tablet by mouth every 6 hours as needed for pain",
        "refills_remaining": 2,
        "start_date": datetime.now(UTC).date().isoformat(),
        "prescribing_provider_id": visit["provider_id"],
        "special_instructions": {"note": note + "instruction"},
        "pharmacy_info": {"name": note + "pharmacy"},
        "side_effects_to_monitor": [note + "effect"],
    }  # fmt: skip
    made = await clinic.make(f"{path}/medications", drug)
    today = datetime.now(UTC).date()
    fill = {"filled_on": today.isoformat(), "days_supply": 30, "pharmacy": note + "shop"}
    await clinic.make(f"/medications/{made['id']}/fills", fill)
    taken = {"taken_at": datetime.now(UTC).isoformat(), "was_taken": True, "notes": note + "sip"}
    await clinic.make(f"/medications/{made['id']}/adherence", taken)
    await clinic.make(f"{path}/allergies", {"substance": "penicillin", "note": note + "rash"})
    kind = {"patient_id": patient_id, "appointment_type": "lab"}
    await clinic.make("/waitlist", {**kind, "notes": note + "wait"})
    due = (today - timedelta(days=9)).isoformat()
    recall = await clinic.make("/recalls", {**kind, "due_on": due, "reason": note + "recall"})
    await clinic.post("/recalls/claim", {"worker": "Ada", "recall_id": recall["id"]})
    call = {"worker": "Ada", "outcome": "no_answer", "note": note + "call"}
    called = await clinic.post(f"/recalls/{recall['id']}/calls", call)
    assert called.is_success, called.text
    async with begin(clinic.caller) as tx:
        [task] = await open_tasks(tx, [New("look", "why", "key", patient_id=UUID(patient_id))])
    close = {"outcome": "done", "note": note + "task"}
    closed = await clinic.post(f"/tasks/{task.id}/complete", close)
    assert closed.status_code == 200, closed.text


PLACES = (
    "fever", "cough", "instruction", "pharmacy", "effect", "shop", "sip", "rash", "wait", "recall",
    "call", "task",
)  # fmt: skip


async def leaks(url: str, tenant_id: UUID) -> list[str]:
    """Return where the clinic's tables still have one of the words; the audit is not looked at."""
    found = []
    async with owner_connection(url) as owner:
        tables = await owner.fetch(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND column_name = 'tenant_id' AND table_name NOT LIKE 'audit%'"
        )
        for (table,) in map(tuple, tables):
            rows = await owner.fetch(
                f"SELECT to_jsonb(t)::text FROM {table} t WHERE tenant_id = $1",  # noqa: S608
                tenant_id,
            )
            found += [f"{table}: {w}" for (text,) in rows for w in CANARIES if w in text]
            if table == "idempotency_keys":
                bodies = await owner.fetch(
                    "SELECT body FROM idempotency_keys WHERE tenant_id = $1", tenant_id
                )
                found += [f"{table}: {w}" for (b,) in bodies for w in CANARIES if w.encode() in b]
    return found


async def reachable(url: str) -> set[str]:
    """Return the tables that name a patient or what is theirs, or have a foreign key to those."""
    async with owner_connection(url) as owner:
        rows = await owner.fetch(
            "WITH RECURSIVE t (name) AS (SELECT 'patients'::regclass::oid UNION"
            " SELECT attrelid FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
            " WHERE attname IN ('patient_id', 'appointment_id', 'medication_id', 'notification_id',"
            " 'recall_id', 'related_person_id') AND NOT attisdropped AND c.relkind IN ('r', 'p')"
            " UNION SELECT conrelid FROM pg_constraint JOIN t ON confrelid = t.name"
            " WHERE contype = 'f') SELECT name::regclass::text FROM t"
        )
    return {row[0] for row in rows}


async def test_every_table_of_a_patients_is_exported_or_says_why_not(database_url: str) -> None:
    assert await reachable(database_url) == ROWS.keys() | NOT_EXPORTED.keys()
    assert not ROWS.keys() & NOT_EXPORTED.keys()


def test_every_table_that_is_exported_is_erased_from_or_says_why_not() -> None:
    erased = {name for name, _ in STEPS} - {"notifications_cancelled", "idempotency_keys"}
    assert (erased - NOT_EXPORTED.keys()) | KEPT.keys() == ROWS.keys()
    assert not erased & KEPT.keys()


async def test_an_export_has_everything_and_is_audited(clinic: Clinic) -> None:
    patient_id, visit = await planted(clinic)
    await clinic.patient()
    answer = await clinic.post(f"/patients/{patient_id}/export", ASKED)
    assert answer.status_code == 201
    job = answer.json()["data"]
    assert answer.headers["location"] == f"/api/v1/privacy-jobs/{job['id']}"
    fetched = await clinic.get(f"/privacy-jobs/{job['id']}/bundle")
    tables = fetched.json()["data"]["tables"]
    assert {name: len(rows) for name, rows in tables.items()} == job["report"]["rows"]
    assert [row["id"] for row in tables["appointments"]] == [visit["id"]]
    assert len(tables["patients"]) == 1
    text = orjson.dumps(tables).decode()
    assert [word for word in CANARIES if word not in text] == []
    assert [place for place in PLACES if f"Ocelot {place}" not in text] == []
    assert "\\u0001" not in text  # nothing is left sealed
    assert str(clinic.tenant_id) not in text

    async with begin(clinic.caller) as tx:
        stored = await actions.bundle(tx, await actions.get(tx, UUID(job["id"])))
    assert hashlib.sha256(stored).hexdigest() == job["report"]["sha256"]
    report = await clinic.get(f"/patients/{patient_id}/access-report", params={"limit": 3})
    noted = [(e["entity_type"], e["action"]) for e in report.json()["data"]["items"]]
    assert noted[0] == ("patient", "read_export")
    assert ("patient", "export") in noted


async def test_sec_44_an_erased_patient_is_gone_at_once_from_answers_search_and_tables(
    clinic: Clinic, database_url: str
) -> None:
    patient_id, visit = await planted(clinic)
    headers = {"Idempotency-Key": "kept-answer"}
    why = {"reason": "The Ocelot asked."}
    await clinic.post(f"/patients/{patient_id}/export", why, headers=headers)
    for path in (f"/patients/{patient_id}", f"/appointments/{visit['id']}", "/patients?name=Zebu"):
        assert "Ocelot" in (await clinic.get(path)).text  # and cached from here on
    assert await leaks(database_url, clinic.tenant_id)

    answer = await clinic.post(f"/patients/{patient_id}/erase", ASKED)
    assert answer.status_code == 201, answer.text
    rows = answer.json()["data"]["report"]["rows"]
    assert rows["appointments_cancelled"] == rows["patients"] == 1

    assert await leaks(database_url, clinic.tenant_id) == []
    assert (await clinic.get(f"/patients/{patient_id}")).status_code == 404
    assert (await clinic.get("/patients", params={"name": "Zebulonia"})).json()["data"][
        "items"
    ] == []
    seen = (await clinic.get(f"/appointments/{visit['id']}")).json()["data"]
    assert (seen["status"], seen["reason"]) == ("cancelled", None)
    async with begin(clinic.caller) as tx:
        waiting = Command(
            "SELECT count(*) FROM notifications WHERE delivery_status"
            " IN ('pending', 'held', 'queued')"
        )
        assert await tx.value(waiting) == 0
    logs = await clinic.get("/audit-logs", params={"entity_id": patient_id, "action": "create"})
    assert "Zebulonia" in logs.text  # the evidence is kept
    again = await clinic.post(f"/patients/{patient_id}/export", why, headers=headers)
    assert again.status_code == 201  # the kept answer is gone, so this is another export
    # What is sealed in the tables is in clear here: nothing of it is left either.
    text = (await clinic.get(f"/privacy-jobs/{again.json()['data']['id']}/bundle")).text
    assert patient_id in text
    assert [word for word in CANARIES if word in text] == []


async def test_a_patient_can_be_erased_twice_and_their_mrn_is_free(clinic: Clinic) -> None:
    made = await clinic.patient(mrn="MRN-FREE")
    for _ in range(2):
        assert (await clinic.post(f"/patients/{made['id']}/erase", ASKED)).status_code == 201
    await clinic.patient(mrn="MRN-FREE")
    jobs = await clinic.get("/privacy-jobs", params={"patient_id": made["id"]})
    found = jobs.json()["data"]["items"]
    assert [job["kind"] for job in found] == ["erasure", "erasure"]
    one = await clinic.get(f"/privacy-jobs/{found[0]['id']}")
    assert one.json()["data"] == found[0]
    assert (await clinic.get(f"/privacy-jobs/{found[0]['id']}/bundle")).status_code == 404


async def test_sec_44_a_legal_hold_forbids_it_until_it_is_lifted(
    clinic: Clinic, database_url: str
) -> None:
    patient_id, _ = await planted(clinic)
    path = f"/patients/{patient_id}/legal-hold"
    assert (await clinic.get(path)).status_code == 404
    assert (await clinic.put(path, {"reason": "Lawsuit 12"})).status_code == 200
    before = sorted(await leaks(database_url, clinic.tenant_id))
    refused = await clinic.post(f"/patients/{patient_id}/erase", ASKED)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "LEGAL_HOLD"
    assert sorted(await leaks(database_url, clinic.tenant_id)) == before
    assert (await clinic.get(path)).json()["data"]["reason"] == "Lawsuit 12"
    assert (await clinic.delete(path)).status_code == 200
    assert (await clinic.delete(path)).status_code == 404
    assert (await clinic.post(f"/patients/{patient_id}/erase", ASKED)).status_code == 201


async def test_an_export_is_forgotten_after_a_week_and_with_the_patient(clinic: Clinic) -> None:
    made = await clinic.patient()
    job = (await clinic.post(f"/patients/{made['id']}/export", ASKED)).json()["data"]
    old = Command("UPDATE privacy_jobs SET bundle_until = now() - interval '1 second'")
    async with begin(clinic.caller) as tx:
        await tx.run(old)
    assert (await clinic.get(f"/privacy-jobs/{job['id']}/bundle")).status_code == 404
    async with begin(clinic.caller) as tx:
        assert await actions.tidy(tx) == 1
        assert await tx.value(Command("SELECT bundle IS NULL FROM privacy_jobs")) is True


@pytest.mark.parametrize("path", ["export", "erase"])
async def test_others_patients_and_bad_bodies_are_refused(
    clinic: Clinic, other_clinic: Clinic, path: str
) -> None:
    made = await clinic.patient()
    for patient_id in (made["id"], uuid4()):
        answer = await other_clinic.post(f"/patients/{patient_id}/{path}", ASKED)
        assert answer.status_code == 404
        hold = await other_clinic.put(f"/patients/{patient_id}/legal-hold", ASKED)
        assert hold.status_code == 404
    for body in ({}, {"reason": ""}, {"reason": 1}, {"reason": "x" * 1001}):
        answer = await clinic.post(f"/patients/{made['id']}/{path}", body)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == "reason"
    assert (await clinic.get(f"/patients/{made['id']}")).status_code == 200


async def test_texts_and_addresses_go_after_ninety_days_and_a_job_says_so(
    clinic: Clinic, database_url: str
) -> None:
    patient_id, _ = await planted(clinic)
    old, fresh = "00000000-0000-7000-8000-00000000000a", "00000000-0000-7000-8000-00000000000b"
    sent = Command(
        "UPDATE notifications SET delivery_status = 'delivered', template_data ="
        """ '{"name": "Zebulonia"}', scheduled_send_time = now() - interval '91 days'"""
        " WHERE id = $1"
    )
    kept = Command(
        "INSERT INTO outbox_messages (id, tenant_id, notification_id, channel, recipient, body,"
        " created_at) SELECT $1::uuid, tenant_id, id, 'sms', '+14155550187', 'Zebulonia',"
        " now() - $3 * interval '1 day' FROM notifications WHERE id = $2"
    )
    listed = (await clinic.get(f"/patients/{patient_id}/notifications")).json()["data"]["items"]
    one, two = listed[0]["id"], listed[1]["id"]
    async with begin(clinic.caller) as tx:
        await tx.run(sent, one)
        await tx.run(kept, UUID(old), one, 91)
        await tx.run(kept, UUID(fresh), two, 89)
    assert await retention.run(clinic.tenant_id) == 2
    assert await retention.run(clinic.tenant_id) == 0  # once a day
    async with begin(clinic.caller) as tx:
        left = Command("SELECT id::text FROM outbox_messages")
        assert await tx.values(left) == [fresh]
        data = Command("SELECT template_data FROM notifications WHERE id = $1")
        assert await tx.value(data, one) == {}
        assert await tx.value(data, two) != {}
    (job,) = (await clinic.get("/privacy-jobs", params={"kind": "retention"})).json()["data"][
        "items"
    ]
    assert job["report"]["rows"] == {"notifications": 1, "outbox_messages": 1}
    assert (await clinic.get(f"/privacy-jobs/{job['id']}/bundle")).status_code == 404
    assert await leaks(database_url, clinic.tenant_id)  # the patient is still there


async def test_what_is_settled_late_goes_with_the_next_round(clinic: Clinic) -> None:
    await planted(clinic)
    settled = Command(
        "UPDATE notifications SET delivery_status = $1,"
        " scheduled_send_time = now() - interval '95 days'"
    )
    async with begin(clinic.caller) as tx:
        count = await tx.run(settled, "pending")
    assert await retention.run(clinic.tenant_id) == 0
    async with begin(clinic.caller) as tx:
        await tx.run(settled, "expired")
        await tx.run(Command("UPDATE privacy_jobs SET created_at = now() - interval '25 hours'"))
    assert await retention.run(clinic.tenant_id) == count


async def test_a_hold_keeps_texts_past_their_time_until_it_is_lifted(clinic: Clinic) -> None:
    patient_id, _ = await planted(clinic)
    settled = Command(
        "UPDATE notifications SET delivery_status = 'expired',"
        " scheduled_send_time = now() - interval '200 days'"
    )
    async with begin(clinic.caller) as tx:
        count = await tx.run(settled)
    hold = f"/patients/{patient_id}/legal-hold"
    assert (await clinic.put(hold, ASKED)).is_success
    assert await retention.run(clinic.tenant_id) == 0
    assert (await clinic.delete(hold)).is_success
    async with begin(clinic.caller) as tx:
        await tx.run(Command("UPDATE privacy_jobs SET created_at = now() - interval '25 hours'"))
    assert await retention.run(clinic.tenant_id) == count


async def test_an_export_is_kept_sealed(clinic: Clinic) -> None:
    patient_id, _ = await planted(clinic)
    await clinic.post(f"/patients/{patient_id}/export", ASKED)
    async with begin(clinic.caller) as tx:
        stored = await tx.value(Command("SELECT bundle FROM privacy_jobs"))
    assert is_sealed_bytes(stored)
    assert [word for word in CANARIES if word.encode() in stored] == []


async def test_an_erased_patients_kept_answers_are_gone_and_nobody_elses(clinic: Clinic) -> None:
    made, other = await clinic.patient(), await clinic.patient()
    body = {**await visit_body(clinic), "patient_id": made["id"]}
    key = {"Idempotency-Key": "before-the-erasure"}
    assert (await clinic.post("/appointments", body, headers=key)).status_code == 201
    same = {"name": "Ann Example", "relationship": "spouse", "receives": "besides"}
    theirs = {"Idempotency-Key": "of-somebody-else"}
    path = f"/patients/{other['id']}/related-persons"
    first = await clinic.post(path, same, headers=theirs)
    assert (await clinic.post(f"/patients/{made['id']}/erase", ASKED)).status_code == 201
    again = await clinic.post("/appointments", body, headers=key)
    assert again.status_code == 422, again.text  # the patient is gone, and so is the answer
    assert (await clinic.post(path, same, headers=theirs)).json()["data"] == first.json()["data"]
