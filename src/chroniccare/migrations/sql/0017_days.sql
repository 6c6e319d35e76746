-- A visit counts for the day on which it starts itself; what it takes starts with its buffer, which
-- may lie on the day before.
ALTER TABLE occupancy
    ADD COLUMN lead_minutes smallint NOT NULL DEFAULT 0 CHECK (lead_minutes BETWEEN 0 AND 1440);
-- An owner that is no superuser sees rows only while row-level security is not forced on it.
ALTER TABLE occupancy NO FORCE ROW LEVEL SECURITY;
ALTER TABLE appointments NO FORCE ROW LEVEL SECURITY;
ALTER TABLE group_sessions NO FORCE ROW LEVEL SECURITY;
-- A patient is taken without buffers.
UPDATE occupancy o SET lead_minutes = a.buffer_before_minutes FROM appointments a
    WHERE a.tenant_id = o.tenant_id AND a.id = o.appointment_id AND o.resource_id <> a.patient_id;
UPDATE occupancy o SET lead_minutes = g.buffer_before_minutes FROM group_sessions g
    WHERE g.tenant_id = o.tenant_id AND g.id = o.group_session_id;
ALTER TABLE occupancy FORCE ROW LEVEL SECURITY;
ALTER TABLE appointments FORCE ROW LEVEL SECURITY;
ALTER TABLE group_sessions FORCE ROW LEVEL SECURITY;
DROP INDEX idx_occupancy_start;
CREATE INDEX idx_occupancy_start ON occupancy (tenant_id, resource_id, starts_at)
    INCLUDE (ends_at, lane, held_until, lead_minutes);
