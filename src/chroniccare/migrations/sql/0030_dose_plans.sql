-- When the events of a day are that doses are anchored to: a clinic's (no patient) and a patient's.
CREATE TABLE dosing_times (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid, -- null: of the clinic
    wake text COLLATE "C", -- HH:MM on the wall; null: as the clinic has it, or by default
    breakfast text COLLATE "C",
    lunch text COLLATE "C",
    dinner text COLLATE "C",
    bed text COLLATE "C",
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (tenant_id, patient_id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('dosing_times');

-- The clock a regimen was first planned by: zone and anchors. Interval doses are counted from it.
ALTER TABLE medication_regimens ADD COLUMN began jsonb;

-- How far the doses of a medication are planned. The loop goes by it; it is no part of the record,
-- so neither version nor updated_at follow it.
ALTER TABLE medications ADD COLUMN planned_until timestamptz NOT NULL DEFAULT '1900-01-01 00:00:00+00';
CREATE INDEX idx_medications_planned ON medications (tenant_id, planned_until, id)
    WHERE status IN ('active', 'on_hold');

-- Doses are written by the planner alone, out of the medications whose rows it has locked and joins
-- to (`WRITE`), and no medication is ever deleted; to look each up again for every dose was half of
-- what PostgreSQL needs to write it (docs/benchmarks.md).
ALTER TABLE medication_doses DROP CONSTRAINT medication_doses_tenant_id_medication_id_fkey;
REVOKE DELETE ON medications FROM chroniccare_app;

-- Patients whose doses are to be planned anew: their zone or their state has changed, or the
-- clinic's times have. A row is written with the change and taken by the loop.
CREATE TABLE dose_replans (
    tenant_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, patient_id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('dose_replans');

-- By trigger, since patients stand below medications and know nothing of doses.
CREATE FUNCTION note_dose_replan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dose_replans (tenant_id, patient_id)
    SELECT NEW.tenant_id, NEW.id WHERE EXISTS (SELECT FROM medications m
        WHERE m.tenant_id = NEW.tenant_id AND m.patient_id = NEW.id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION note_dose_replan() FROM PUBLIC;
CREATE TRIGGER note_dose_replan
    AFTER UPDATE OF time_zone, is_active, treatment_status, deleted_at ON patients
    FOR EACH ROW WHEN (OLD.time_zone <> NEW.time_zone OR OLD.is_active <> NEW.is_active
        OR OLD.treatment_status <> NEW.treatment_status
        OR (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL))
    EXECUTE FUNCTION note_dose_replan();
