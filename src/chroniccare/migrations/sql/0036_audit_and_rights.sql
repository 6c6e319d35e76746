-- A chain of hashes over the audit, made a moment after the rows by a loop of the worker.

-- The transaction that wrote a row. Rows of a transaction that commits late have a low number but
-- are seen late: what lies below the lowest number still running is complete, the rest is looked
-- at again. Existing rows get the number of this migration.
ALTER TABLE audit_logs
    ADD COLUMN xact bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX idx_audit_logs_xact ON audit_logs (tenant_id, xact, id);

-- One row for each row of the audit. There is no foreign key: a row that its owner removed must
-- leave its seal behind.
CREATE TABLE audit_seals (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    seq bigint NOT NULL CHECK (seq > 0), -- 1, 2, 3, ... without gaps
    audit_id uuid NOT NULL,
    prev bytea NOT NULL CHECK (length(prev) = 32), -- hash of the seal before
    hash bytea NOT NULL CHECK (length(hash) = 32), -- of prev, this seal and the row
    horizon bigint NOT NULL, -- every row with a lower xact has been sealed up to here
    sealed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, seq),
    CONSTRAINT uk_audit_seals_row UNIQUE (tenant_id, audit_id)
);
SELECT protect_tenant_table('audit_seals', 'SELECT, INSERT');

-- The loop asks which tenants have something to seal.
CREATE POLICY system_finds_unsealed ON audit_logs FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (tenant_id, xact) ON audit_logs TO chroniccare_system;

-- What was done about a patient's rights, and what it came to.
CREATE TABLE privacy_jobs (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('export', 'erasure', 'retention')),
    status text COLLATE "C" NOT NULL CHECK (status IN ('done')),
    patient_id uuid,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    report jsonb NOT NULL, -- tables and how many rows of each; no patient data
    bundle bytea, -- of an export, until bundle_until
    bundle_until timestamptz,
    created_at timestamptz NOT NULL,
    CHECK ((kind = 'retention') = (patient_id IS NULL)),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('privacy_jobs', 'SELECT, INSERT, UPDATE');
CREATE INDEX idx_privacy_jobs_created ON privacy_jobs (tenant_id, created_at, id);
CREATE INDEX idx_privacy_jobs_patient ON privacy_jobs (tenant_id, patient_id);
CREATE INDEX idx_privacy_jobs_bundle ON privacy_jobs (tenant_id, bundle_until)
    WHERE bundle IS NOT NULL;

-- Patients whose data must be kept, whoever asks: a lawsuit, an inquiry.
CREATE TABLE legal_holds (
    tenant_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    placed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, patient_id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('legal_holds');

-- What somebody wrote about a patient goes when they are erased; nothing else of these rows changes.
GRANT UPDATE (notes) ON medication_adherence TO chroniccare_app;
GRANT UPDATE (note) ON recall_calls TO chroniccare_app;
