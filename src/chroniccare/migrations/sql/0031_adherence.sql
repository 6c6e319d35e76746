-- What becomes of reports about doses, and episodes of low adherence.

-- A report is never changed: a later one corrects it, and each at most once.
REVOKE UPDATE, DELETE ON medication_adherence FROM chroniccare_app;
CREATE UNIQUE INDEX uk_medication_adherence_first ON medication_adherence (tenant_id, dose_id)
    WHERE corrects_id IS NULL AND dose_id IS NOT NULL;
CREATE UNIQUE INDEX uk_medication_adherence_corrects ON medication_adherence (tenant_id, corrects_id)
    WHERE corrects_id IS NOT NULL;

-- What became of a dose as one letter, which is all that its figures need: taken in time, taken late,
-- skipped, excused, missed as observed, missed as inferred, open; none for what was given up.
ALTER TABLE medication_doses ADD COLUMN outcome text COLLATE "C" GENERATED ALWAYS AS (
    CASE state
        WHEN 'taken' THEN CASE WHEN taken_at > late_at THEN 'l' ELSE 't' END
        WHEN 'skipped' THEN CASE WHEN reason IN ('clinician_advice', 'hospital') THEN 'e' ELSE 's' END
        WHEN 'missed' THEN CASE source WHEN 'inference' THEN 'i' ELSE 'm' END
        WHEN 'planned' THEN 'o' WHEN 'due' THEN 'o' WHEN 'reminded' THEN 'o'
    END) STORED;
-- A year of a patient's doses from the index alone: in the table each lies on a page of its own.
DROP INDEX idx_medication_doses_patient;
CREATE INDEX idx_medication_doses_patient ON medication_doses (tenant_id, patient_id, due_at)
    INCLUDE (medication_id, local_date, missed_at, outcome);

-- From the moment at which a medication's adherence was low until it had recovered: one alert each.
CREATE TABLE adherence_episodes (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    medication_id uuid NOT NULL,
    reason text COLLATE "C" NOT NULL CHECK (reason IN ('rate', 'missed_doses', 'gap')),
    escalated smallint NOT NULL DEFAULT 0 CHECK (escalated BETWEEN 0 AND 2), -- 1: caregivers, 2: care team
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_reason text COLLATE "C" CHECK (closed_reason IN ('recovered', 'ended')),
    version integer NOT NULL DEFAULT 1,
    UNIQUE (tenant_id, id),
    CHECK ((closed_at IS NULL) = (closed_reason IS NULL)),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, id)
);
-- Episodes end, they are not removed.
SELECT protect_tenant_table('adherence_episodes', 'SELECT, INSERT, UPDATE');
CREATE UNIQUE INDEX uk_adherence_episodes_open ON adherence_episodes (tenant_id, medication_id)
    WHERE closed_at IS NULL;
CREATE INDEX idx_adherence_episodes_patient ON adherence_episodes (tenant_id, patient_id)
    WHERE closed_at IS NULL;
