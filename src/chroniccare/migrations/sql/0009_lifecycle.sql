-- When a visit entered each state. What an undo goes back to, and until when, follows from these.
ALTER TABLE appointments
    ADD COLUMN confirmed_at timestamptz,
    ADD COLUMN started_at timestamptz,
    ADD COLUMN no_show_at timestamptz;
-- Visits nobody came to yet: the search for no-shows never reads the years that are over.
CREATE INDEX idx_appointments_expected ON appointments (tenant_id, scheduled_end)
    WHERE status IN ('scheduled', 'confirmed');
