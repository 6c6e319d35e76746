"""Each class of what messages leave goes after 90 days, and stays while its patient is held."""

from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.platform.owner import owner_connection
from chroniccare.privacy import retention
from chroniccare.privacy.queries_retention import STEPS
from tests.client import Clinic
from tests.privacy.test_api import ASKED

# One message of a patient with all that can come of it; $4 days old, each row under one id.
_ROWS = (
    """
INSERT INTO notifications (id, tenant_id, patient_id, notification_type, channel, channel_plan,
    scheduled_send_time, delivery_status, template_data, dedupe_key, next_attempt_at, created_at,
    updated_at)
VALUES ($1::uuid, $2, $3, 'test', 'sms', '["sms"]', now() - $4 * interval '1 day', 'delivered',
    '{"name": "Ocelot"}', gen_random_uuid(), now(), now(), now())
    """,
    """
INSERT INTO notification_attempts (id, tenant_id, notification_id, number, channel, driver, status,
    started_at, recipient)
SELECT id, tenant_id, id, 1, 'sms', 'test', 'delivered', now(), '+14155550187'
FROM notifications WHERE id = $1
    """,
    """
INSERT INTO notification_receipts (id, tenant_id, attempt_id, driver, provider_event_id, status,
    received_at)
SELECT id, tenant_id, id, 'test', id::text, 'delivered', now() FROM notifications WHERE id = $1
    """,
    """
INSERT INTO outbox_messages (id, tenant_id, notification_id, channel, recipient, body, created_at)
SELECT id, tenant_id, id, 'sms', '+14155550187', 'Ocelot', scheduled_send_time
FROM notifications WHERE id = $1
    """,
    """
INSERT INTO inbound_messages (id, tenant_id, driver, message_id, sender, body, cut, intent, outcome,
    patient_id, received_at, updated_at)
SELECT id, tenant_id, 'test', id::text, '+14155550187', 'Ocelot', false, 'unknown', 'unread',
    patient_id, scheduled_send_time, now()
FROM notifications WHERE id = $1
    """,
)
_WHOLE = {
    "inbound_messages": "sender <> '' AND body <> ''",
    "notification_attempts": "recipient IS NOT NULL",
    "notification_receipts": "true",
    "notifications": "template_data <> '{}'",
    "outbox_messages": "true",
}
"""By table, which of its rows still have what goes with time."""


async def test_each_class_goes_after_ninety_days_unless_its_patient_is_held(
    clinic: Clinic, database_url: str
) -> None:
    assert _WHOLE.keys() == {table for table, _, _ in STEPS} - {
        "webhook_attempts", "webhook_deliveries", "outbox",
    }  # fmt: skip
    held, free = await clinic.patient(), await clinic.patient()
    assert (await clinic.put(f"/patients/{held['id']}/legal-hold", ASKED)).status_code == 200
    ids: dict[tuple[bool, int], UUID] = {}
    async with owner_connection(database_url) as owner:
        for is_held, patient in ((True, held), (False, free)):
            for days in (89, 91):
                one = ids[is_held, days] = new_id()
                await owner.execute(_ROWS[0], one, clinic.tenant_id, UUID(patient["id"]), days)
                for sql in _ROWS[1:]:
                    await owner.execute(sql, one)
        await retention.run(clinic.tenant_id)
        for table, whole in _WHOLE.items():
            sql = f"SELECT id FROM {table} WHERE {whole} AND id = ANY ($1)"  # noqa: S608
            left = {row["id"] for row in await owner.fetch(sql, list(ids.values()))}
            assert left == set(ids.values()) - {ids[False, 91]}, table
