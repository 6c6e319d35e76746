"""The log of webhooks and the events: removed when their time is over, and not before."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin, database
from chroniccare.privacy import queries_retention, retention
from chroniccare.webhooks import relaying
from chroniccare.webhooks.actions import emit
from tests.client import Clinic

ASKED = {"reason": "Lawsuit 12"}
TABLES = ("outbox", "webhook_deliveries", "webhook_attempts")
AGE = Command("UPDATE outbox SET created_at = created_at - $1 * interval '1 day'")
AGE_LOG = Command("UPDATE webhook_deliveries SET updated_at = updated_at - $1 * interval '1 day'")
SETTLE = Command("UPDATE webhook_deliveries SET status = $1")
TRIED = Command(
    "INSERT INTO webhook_attempts (id, tenant_id, delivery_id, number, started_at, request_headers)"
    " SELECT gen_random_uuid(), d.tenant_id, d.id, n, d.created_at, '{}'"
    " FROM webhook_deliveries d, generate_series(1, 2) AS n"
)
SENT_TEXT = Command(
    "INSERT INTO outbox_messages (id, tenant_id, notification_id, channel, recipient, body,"
    " created_at) SELECT $1, tenant_id, id, 'sms', '', '', now() FROM notifications"
    " WHERE patient_id = $2 LIMIT 1"
)
STORED = Command(
    "INSERT INTO fhir_resources (id, tenant_id, type, version, patient_id, resource, happened_at,"
    " updated_at) VALUES ($1, $2, 'Observation', 1, $3, '', now(), now())"
)
YESTERDAY = Command("UPDATE privacy_jobs SET created_at = created_at - interval '25 hours'")
COUNTS = {table: Command(f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608


async def handed_on(clinic: Clinic, entities: list[UUID], status: str = "delivered") -> None:
    """Emit an event of each record, handed on to one webhook and tried twice."""
    hook = {"url": "http://127.0.0.1:9/in", "events": ["patient.updated"]}
    await clinic.make("/webhooks", hook)
    async with begin(clinic.caller) as tx:
        await tx.run(Command("UPDATE outbox SET relayed_at = now()"))
        for one in entities:
            await emit(tx, "patient.updated", entity_type="patient", entity_id=one)
    await relaying.relay(clinic.tenant_id)
    async with begin(clinic.caller) as tx:
        await tx.run(SETTLE, status)
        await tx.run(TRIED)


async def aged(clinic: Clinic, days: int, *, log: int | None = None) -> None:
    async with begin(clinic.caller) as tx:
        await tx.run(AGE, days)
        await tx.run(AGE_LOG, days if log is None else log)


async def left(clinic: Clinic) -> list[int]:
    """Return how many events, deliveries and attempts there are."""
    async with begin(clinic.caller) as tx:
        return [await tx.value(COUNTS[table]) for table in TABLES]


@pytest.fixture(autouse=True)
def _public(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = database().settings.model_copy(update={"webhook_targets": "any"})
    monkeypatch.setattr(database(), "settings", changed)


async def test_the_log_and_its_events_go_together_and_a_job_says_so(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)  # several rounds of each step
    await handed_on(clinic, [new_id() for _ in range(5)])
    await aged(clinic, 89)
    assert await retention.run(clinic.tenant_id) == 0
    await aged(clinic, 2)
    async with begin(clinic.caller) as tx:
        await tx.run(YESTERDAY)
        await emit(tx, "patient.updated", entity_type="patient", entity_id=new_id())
    before = await left(clinic)
    assert await retention.run(clinic.tenant_id) == before[0] - 1 + 5 + 10
    assert await left(clinic) == [1, 0, 0]
    jobs = await clinic.get("/privacy-jobs", params={"kind": "retention", "limit": 1})
    (job,) = jobs.json()["data"]["items"]
    assert job["report"]["rows"] == {
        "outbox": before[0] - 1, "webhook_attempts": 10, "webhook_deliveries": 5,
    }  # fmt: skip
    assert job["reason"] == "kept: messages 90 days, delivery log 90 days, events 90 days"
    until = datetime.fromisoformat(job["report"]["events_until"])
    assert abs(datetime.now(UTC) - timedelta(days=90) - until) < timedelta(minutes=1)


@pytest.mark.parametrize("status", ["pending", "delivered"])
async def test_what_waits_or_was_sent_again_lately_stays_with_its_event(
    clinic: Clinic, status: str
) -> None:
    await handed_on(clinic, [new_id()], status)
    await aged(clinic, 200, log=200 if status == "pending" else 3)
    await retention.run(clinic.tenant_id)
    assert await left(clinic) == [1, 1, 2]


async def test_an_event_that_nobody_has_looked_at_yet_stays(clinic: Clinic) -> None:
    async with begin(clinic.caller) as tx:
        await tx.run(Command("UPDATE outbox SET relayed_at = now()"))
        await emit(tx, "patient.updated", entity_type="patient", entity_id=new_id())
    await aged(clinic, 200)
    await retention.run(clinic.tenant_id)
    assert await left(clinic) == [1, 0, 0]


@pytest.mark.parametrize(
    ("log", "events", "kept"), [(0, 90, [2, 2, 4]), (90, 0, [2, 0, 0]), (90, 400, [2, 0, 0])]
)
async def test_each_class_has_a_time_of_its_own(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, log: int, events: int, kept: list[int]
) -> None:
    days = {"retain_delivery_log_days": log, "retain_events_days": events}
    monkeypatch.setattr(database(), "settings", database().settings.model_copy(update=days))
    await handed_on(clinic, [new_id() for _ in range(2)])
    async with begin(clinic.caller) as tx:
        await tx.run(Command("DELETE FROM outbox WHERE event_type <> 'patient.updated'"))
    await aged(clinic, 100)
    await retention.run(clinic.tenant_id)
    assert await left(clinic) == kept


async def test_a_log_that_was_kept_for_ever_is_looked_at_from_its_beginning(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def last() -> queries_retention.Last:
        async with begin(clinic.caller) as tx:
            found = await tx.one(queries_retention.LAST)
        assert found is not None
        return found

    for days in (0, 90):
        told = {"retain_delivery_log_days": days}
        monkeypatch.setattr(database(), "settings", database().settings.model_copy(update=told))
        await retention.run(clinic.tenant_id)
        found = await last()
        assert (found.messages is None, found.delivery_log is None) == (False, days == 0)
        async with begin(clinic.caller) as tx:
            await tx.run(YESTERDAY)
    async with begin(clinic.caller) as tx:  # as the release before wrote it
        await tx.run(Command("UPDATE privacy_jobs SET report = report - 'delivery_log_until'"))
    found = await last()
    assert found.delivery_log == found.messages is not None


async def test_a_hold_keeps_the_events_of_every_record_of_its_patient(clinic: Clinic) -> None:
    held, free = await clinic.patient(), await clinic.patient()
    related = {"name": "Ann Example", "relationship": "spouse", "receives": "besides"}
    of_held = await clinic.make(f"/patients/{held['id']}/related-persons", related)
    await clinic.put(f"/patients/{held['id']}/legal-hold", ASKED)
    await handed_on(clinic, [UUID(one["id"]) for one in (held, free, of_held)])
    await aged(clinic, 100)
    await retention.run(clinic.tenant_id)
    async with begin(clinic.caller) as tx:
        found = await tx.values(Command("SELECT DISTINCT entity_id::text FROM outbox"))
    assert set(found) == {held["id"], of_held["id"]}
    assert (await left(clinic))[1:] == [2, 4]
    await clinic.delete(f"/patients/{held['id']}/legal-hold")
    async with begin(clinic.caller) as tx:
        await tx.run(YESTERDAY)
    await retention.run(clinic.tenant_id)
    assert await left(clinic) == [0, 0, 0]


async def test_a_hold_keeps_the_events_of_what_leads_to_its_patient(clinic: Clinic) -> None:
    held, free = [await _with_offer_message_and_resource(clinic) for _ in range(2)]
    await clinic.put(f"/patients/{held[0]}/legal-hold", ASKED)
    await handed_on(clinic, [*held, *free])
    await aged(clinic, 100)
    await retention.run(clinic.tenant_id)
    async with begin(clinic.caller) as tx:
        found = set(await tx.values(Command("SELECT DISTINCT entity_id FROM outbox")))
    assert set(held) <= found
    assert not found & set(free)


async def _with_offer_message_and_resource(clinic: Clinic) -> list[UUID]:
    """Return the ids of a patient, an offer of the waitlist, a sent text and a FHIR resource."""
    patient, provider = await clinic.patient(), await clinic.provider()
    entry = {"patient_id": patient["id"], "appointment_type": "follow_up"}
    start = (datetime.now(UTC) + timedelta(days=30)).replace(second=0, microsecond=0)
    body = {
        "provider_id": provider["id"], "facility_id": provider["facilities"][0]["facility_id"],
        "scheduled_start": start.isoformat(),
    }  # fmt: skip
    waiting = await clinic.make("/waitlist", entry)
    # By hand to one on the phone: the patient's quiet hours must not decide about this test.
    offer = await clinic.make(
        f"/waitlist/{waiting['id']}/offers", {**body, "notify_patient": False}
    )
    later = {"scheduled_start": (start + timedelta(hours=1)).isoformat(), "duration_minutes": 30}
    await clinic.make("/appointments", {**body, **entry, **later})
    text, resource = new_id(), new_id()
    async with begin(clinic.caller) as tx:
        assert await tx.run(SENT_TEXT, text, UUID(patient["id"])) == 1
        await tx.run(STORED, resource, clinic.tenant_id, UUID(patient["id"]))
    return [UUID(patient["id"]), UUID(offer["id"]), text, resource]
