"""SQL of the operations."""

from chroniccare.platform.postgres import Command

# Whoever asks twice for the same time gets the same visit.
SAME = Command(
    "SELECT id FROM appointments WHERE patient_id = $1 AND provider_id = $2 AND facility_id = $3"
    " AND scheduled_start = $4 AND duration_minutes = $5 AND appointment_type = $6"
    " AND (status IN ('scheduled', 'confirmed')"
    " OR (status = 'held' AND (held_until IS NULL OR held_until > $7::timestamptz)))"
    " ORDER BY id LIMIT 1"
)
