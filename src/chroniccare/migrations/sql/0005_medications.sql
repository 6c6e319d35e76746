-- Medications and adherence. A dose can be taken, missed or not known: was_taken may be NULL.
CREATE TABLE medications (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    prescribing_provider_id uuid NOT NULL,
    medication_name text NOT NULL CHECK (length(medication_name) BETWEEN 1 AND 255),
    generic_name text,
    rxnorm_code text COLLATE "C",
    dosage text NOT NULL,
    strength text,
    route text NOT NULL,
    frequency text NOT NULL,
    schedule_details jsonb NOT NULL DEFAULT '{}',
    start_date date NOT NULL,
    end_date date,
    is_ongoing boolean NOT NULL DEFAULT false,
    pharmacy_info jsonb NOT NULL DEFAULT '{}',
    refills_remaining integer NOT NULL DEFAULT 0,
    days_supply integer,
    special_instructions jsonb NOT NULL DEFAULT '{}',
    side_effects_to_monitor jsonb NOT NULL DEFAULT '[]',
    status text NOT NULL DEFAULT 'active'
        CHECK (status IN ('draft', 'active', 'on_hold', 'stopped', 'completed')),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (end_date IS NULL OR end_date >= start_date),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, prescribing_provider_id) REFERENCES providers (tenant_id, id)
);
SELECT protect_tenant_table('medications');
CREATE INDEX idx_medications_patient ON medications (tenant_id, patient_id, status);
CREATE INDEX idx_medications_provider ON medications (tenant_id, prescribing_provider_id);

CREATE TABLE medication_adherence (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    medication_id uuid NOT NULL,
    scheduled_time timestamptz NOT NULL,
    taken_at timestamptz,
    was_taken boolean,
    source text NOT NULL DEFAULT 'staff'
        CHECK (source IN ('patient', 'caregiver', 'staff', 'device', 'inference')),
    notes text,
    created_at timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, id)
);
SELECT protect_tenant_table('medication_adherence');
CREATE INDEX idx_medication_adherence_time ON medication_adherence (tenant_id, medication_id, scheduled_time);
