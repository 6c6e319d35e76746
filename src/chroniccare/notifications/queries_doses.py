"""SQL of messages about doses and supplies: planned, given up, and what is true of them now.

The message is always `n`, a dose of it `d`, its medication `m`.
"""

from chroniccare.platform.postgres import Command

DOSE_REMINDER = "medication_reminder"
REFILL_REMINDER = "refill_reminder"

_OF_BUNDLE = (
    "FROM medication_reminder_doses b"
    " JOIN medication_doses d ON d.tenant_id = b.tenant_id AND d.id = b.dose_id"
    " JOIN medications m ON m.tenant_id = d.tenant_id AND m.id = d.medication_id"
    " WHERE b.tenant_id = n.tenant_id AND b.bundle_id = (n.template_data ->> 'bundle_id')::uuid"
)
_OPEN = "d.state IN ('planned', 'due', 'reminded') AND m.status = 'active' AND m.reminders"
LIVE_DOSE = f"EXISTS (SELECT {_OF_BUNDLE} AND {_OPEN} AND d.due_at = b.due_at)"
"""Whether a dose of the message is still to be taken, at the time that it is about."""
DOSES = (
    "CASE WHEN n.notification_type = 'medication_reminder' AND n.template_data ? 'bundle_id' THEN"
    " (SELECT coalesce(jsonb_agg(jsonb_build_object('medication_id', m.id, 'moved',"
    " d.due_at <> b.due_at, 'due_at', d.due_at, 'name', concat_ws(' ', m.medication_name,"
    f" m.strength)) ORDER BY d.due_at, d.id), '[]') {_OF_BUNDLE} AND {_OPEN}) END"
)
"""The doses of the message that are open, `moved` if they are due at another time by now."""
SUPPLY = (
    "CASE WHEN n.notification_type = 'refill_reminder' AND n.template_data ? 'fill_id' THEN"
    " (SELECT jsonb_build_object('status', m.status, 'as_needed', m.as_needed, 'is_last',"
    " s.fill_id = (n.template_data ->> 'fill_id')::uuid, 'name', concat_ws(' ',"
    " m.medication_name, m.strength)) FROM medications m LEFT JOIN medication_supplies s"
    " ON s.tenant_id = m.tenant_id AND s.medication_id = m.id"
    " WHERE m.tenant_id = n.tenant_id AND m.id = n.medication_id) END"
)
"""What is true of the supply that the message is about; none if its medication is not known."""

# What was given up by us has a point again when it is planned again; what was given up because of
# its recipient stays so. What is on its way is left alone.
KEEP = Command(
    "INSERT INTO notifications AS n (id, tenant_id, patient_id, related_person_id, medication_id,"
    " notification_type, channel, channel_plan, priority, scheduled_send_time, next_attempt_at,"
    " expires_at, delivery_status, template_data, dedupe_key, created_at, updated_at)"
    " SELECT d.id, $2, d.patient_id, d.related_person_id, d.medication_id, d.notification_type,"
    " d.channel, d.channel_plan, d.priority, d.scheduled_send_time, d.next_attempt_at,"
    " d.expires_at, 'pending', d.template_data, d.dedupe_key, $3, $3"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, patient_id uuid, related_person_id uuid,"
    " medication_id uuid, notification_type text, channel text, channel_plan jsonb, priority text,"
    " scheduled_send_time timestamptz, next_attempt_at timestamptz, expires_at timestamptz,"
    " template_data jsonb, dedupe_key text) ON CONFLICT (tenant_id, dedupe_key) DO UPDATE SET"
    " delivery_status = CASE n.delivery_status WHEN 'cancelled' THEN 'pending'"
    " ELSE n.delivery_status END, scheduled_send_time = excluded.scheduled_send_time,"
    " next_attempt_at = CASE WHEN n.delivery_status = 'cancelled'"
    " OR n.scheduled_send_time <> excluded.scheduled_send_time THEN excluded.next_attempt_at"
    " ELSE n.next_attempt_at END, expires_at = excluded.expires_at,"
    " template_data = excluded.template_data,"
    " delivery_details = CASE n.delivery_status WHEN 'cancelled' THEN n.delivery_details - 'reason'"
    " ELSE n.delivery_details END, updated_at = excluded.updated_at"
    " WHERE (n.delivery_status = 'cancelled' AND n.delivery_details ->> 'reason' = ANY (ARRAY["
    "'doses_changed', 'doses_settled', 'supply_changed', 'medication_on_hold', 'care_over']))"
    " OR (n.delivery_status IN ('pending', 'held') AND (n.scheduled_send_time, n.expires_at,"
    " n.template_data) IS DISTINCT FROM (excluded.scheduled_send_time, excluded.expires_at,"
    " excluded.template_data))"
)
_GIVE_UP = (
    "UPDATE notifications n SET delivery_status = 'cancelled', lease_until = NULL, updated_at = $3,"
    " delivery_details = n.delivery_details || jsonb_build_object('reason', $4::text)"
)
_WAITS = "n.delivery_status IN ('pending', 'held', 'queued')"
# Of the patients $1, but for the bundles $2. What waits for its next channel has told its doses
# already: it goes on while one of them is open.
GIVE_UP_DOSES = Command(
    f"{_GIVE_UP} WHERE n.patient_id = ANY ($1::uuid[])"
    f" AND n.notification_type = 'medication_reminder' AND {_WAITS}"
    " AND n.template_data ? 'bundle_id'"
    " AND (n.template_data ->> 'bundle_id')::uuid <> ALL ($2::uuid[])"
    f" AND NOT (n.delivery_details ? 'moved_on' AND {LIVE_DOSE})"
)
# Of the medications $1, but for the fills $2.
GIVE_UP_SUPPLIES = Command(
    f"{_GIVE_UP} WHERE n.medication_id = ANY ($1::uuid[])"
    f" AND n.notification_type = 'refill_reminder' AND {_WAITS}"
    " AND n.template_data ? 'fill_id' AND (n.template_data ->> 'fill_id')::uuid"
    " <> ALL ($2::uuid[])"
)
