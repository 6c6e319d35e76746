-- What becomes of reports about doses, and episodes of low adherence.

-- A report is never changed: a later one corrects it, and each at most once.
REVOKE UPDATE, DELETE ON medication_adherence FROM chroniccare_app;
CREATE UNIQUE INDEX uk_medication_adherence_first ON medication_adherence (tenant_id, dose_id)
    WHERE corrects_id IS NULL AND dose_id IS NOT NULL;
CREATE UNIQUE INDEX uk_medication_adherence_corrects ON medication_adherence (tenant_id, corrects_id)
    WHERE corrects_id IS NOT NULL;

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
