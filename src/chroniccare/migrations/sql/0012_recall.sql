-- Patients who are due back: the worklist, the calls made, and how far the loop has looked.
CREATE TABLE recalls (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    provider_id uuid,
    facility_id uuid,
    appointment_type text COLLATE "C" NOT NULL CHECK (length(appointment_type) BETWEEN 1 AND 50),
    reason text,
    due_on date NOT NULL,
    time_zone text COLLATE "C" NOT NULL, -- in which due_on and remind_on are days
    due_at timestamptz NOT NULL, -- when due_on begins there, by core/time.py
    high_risk boolean NOT NULL DEFAULT false,
    rank smallint NOT NULL GENERATED ALWAYS AS (CASE WHEN high_risk THEN 0 ELSE 1 END) STORED,
    status text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    closed_reason text CHECK (closed_reason IN ('already_visited', 'not_responding', 'refused',
        'invalid_number', 'public_transfer', 'private', 'moved', 'dead', 'other', 'returned',
        'patient_deceased', 'patient_inactive', 'patient_removed')),
    closed_at timestamptz,
    source text NOT NULL DEFAULT 'staff' CHECK (source IN ('staff', 'no_show', 'cancelled')),
    source_appointment_id uuid,
    remind_on date, -- not before
    claimed_by text CHECK (length(claimed_by) BETWEEN 1 AND 100),
    claimed_key uuid, -- the API key through which it is claimed
    claimed_until timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((status = 'closed') = (closed_reason IS NOT NULL)),
    CHECK ((claimed_by IS NULL) = (claimed_until IS NULL)),
    CHECK (status = 'open' OR claimed_by IS NULL),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id),
    FOREIGN KEY (tenant_id, source_appointment_id) REFERENCES appointments (tenant_id, id)
);
SELECT protect_tenant_table('recalls');
CREATE UNIQUE INDEX uk_recalls_open ON recalls (tenant_id, patient_id, appointment_type)
    WHERE status = 'open';
CREATE INDEX idx_recalls_worklist ON recalls (tenant_id, status, rank, due_on, id);
CREATE INDEX idx_recalls_patient ON recalls (tenant_id, patient_id, closed_at);

-- Written once; the outcome of each call.
CREATE TABLE recall_calls (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    recall_id uuid NOT NULL,
    called_by text NOT NULL CHECK (length(called_by) BETWEEN 1 AND 100),
    outcome text NOT NULL CHECK (outcome IN ('agreed_to_visit', 'remind_to_call_later',
        'no_answer', 'removed')),
    removed_reason text,
    remind_on date,
    note text,
    called_at timestamptz NOT NULL,
    CHECK ((outcome = 'removed') = (removed_reason IS NOT NULL)),
    FOREIGN KEY (tenant_id, recall_id) REFERENCES recalls (tenant_id, id)
);
SELECT protect_tenant_table('recall_calls', 'SELECT, INSERT');
CREATE INDEX idx_recall_calls_recall ON recall_calls (tenant_id, recall_id, called_at, id);

-- One row a clinic: arrivals and patients changed before looked_at have been looked at.
CREATE TABLE recall_looks (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    looked_at timestamptz
);
SELECT protect_tenant_table('recall_looks');

-- The missed visits that the loop has not looked at yet, and no others: the instant it was missed
-- at is kept when it has been, so that a visit undone and missed again is looked at again.
ALTER TABLE appointments ADD COLUMN recall_seen_at timestamptz;
CREATE INDEX idx_appointments_missed ON appointments (tenant_id, (coalesce(no_show_at, cancelled_at)))
    WHERE status IN ('no_show', 'cancelled')
    AND recall_seen_at IS DISTINCT FROM coalesce(no_show_at, cancelled_at);
CREATE INDEX idx_appointments_arrived ON appointments (tenant_id, checked_in_at)
    WHERE checked_in_at IS NOT NULL;
CREATE INDEX idx_patients_gone ON patients (tenant_id, updated_at)
    WHERE deleted_at IS NOT NULL OR NOT is_active OR treatment_status IN ('deceased', 'inactive');
