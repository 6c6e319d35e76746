-- Appointments, and the one table that keeps two of them apart.
CREATE TABLE resource (
    id uuid PRIMARY KEY, -- a provider's or patient's own id; rooms and equipment have only this one
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    kind text NOT NULL CHECK (kind IN ('provider', 'patient', 'room', 'equipment')),
    facility_id uuid,
    name text,
    capacity smallint NOT NULL DEFAULT 1 CHECK (capacity BETWEEN 1 AND 100),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('resource');
CREATE INDEX idx_resource_facility ON resource (tenant_id, facility_id);

CREATE TABLE appointment_series (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    series_name text,
    recurrence_pattern text NOT NULL,
    series_start_date date NOT NULL,
    series_end_date date,
    total_appointments integer NOT NULL,
    completed_appointments integer NOT NULL DEFAULT 0,
    is_active boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id)
);
SELECT protect_tenant_table('appointment_series');
CREATE INDEX idx_appointment_series_patient ON appointment_series (tenant_id, patient_id);
CREATE INDEX idx_appointment_series_provider ON appointment_series (tenant_id, provider_id);

CREATE TABLE appointments (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    facility_id uuid NOT NULL,
    series_id uuid,
    appointment_type text NOT NULL CHECK (length(appointment_type) BETWEEN 1 AND 50),
    scheduled_start timestamptz NOT NULL,
    scheduled_end timestamptz NOT NULL,
    duration_minutes integer NOT NULL CHECK (duration_minutes BETWEEN 1 AND 1440),
    status text NOT NULL DEFAULT 'scheduled' CHECK (status IN ('held', 'scheduled', 'confirmed',
        'checked_in', 'in_progress', 'completed', 'cancelled', 'no_show')),
    priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    reason text,
    special_requirements jsonb NOT NULL DEFAULT '{}',
    pre_appointment_instructions jsonb NOT NULL DEFAULT '{}',
    telehealth_details jsonb,
    insurance_verified boolean NOT NULL DEFAULT false,
    checked_in_at timestamptz,
    completed_at timestamptz,
    cancelled_at timestamptz,
    cancellation_reason text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    CONSTRAINT chk_appointment_times CHECK (scheduled_end > scheduled_start),
    CONSTRAINT chk_appointment_length
        CHECK (scheduled_end = scheduled_start + duration_minutes * interval '1 minute'),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id),
    FOREIGN KEY (tenant_id, series_id) REFERENCES appointment_series (tenant_id, id)
);
SELECT protect_tenant_table('appointments');
CREATE INDEX idx_appointments_start ON appointments (tenant_id, scheduled_start, id);
CREATE INDEX idx_appointments_provider ON appointments (tenant_id, provider_id, scheduled_start, id);
CREATE INDEX idx_appointments_patient ON appointments (tenant_id, patient_id, scheduled_start, id);
CREATE INDEX idx_appointments_facility ON appointments (tenant_id, facility_id, scheduled_start);
CREATE INDEX idx_appointments_series ON appointments (tenant_id, series_id) WHERE series_id IS NOT NULL;

CREATE TABLE holds (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid,
    provider_id uuid NOT NULL,
    facility_id uuid,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('holds');
CREATE INDEX idx_holds_expires ON holds (tenant_id, expires_at);

-- Who is taken when. Written only with INSERT ... ON CONFLICT DO NOTHING: a plain insert against
-- the constraint deadlocks and stalls under load (ADR 0003). NOT DEFERRABLE, as ON CONFLICT needs.
CREATE TABLE occupancy (
    tenant_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    lane smallint NOT NULL DEFAULT 0 CHECK (lane >= 0),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    during tstzrange NOT NULL GENERATED ALWAYS AS (tstzrange(starts_at, ends_at, '[)')) STORED,
    appointment_id uuid,
    hold_id uuid,
    CHECK (num_nonnulls(appointment_id, hold_id) = 1),
    CHECK (isfinite(starts_at) AND isfinite(ends_at)),
    CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '24 hours'),
    FOREIGN KEY (tenant_id, resource_id) REFERENCES resource (tenant_id, id),
    FOREIGN KEY (tenant_id, appointment_id) REFERENCES appointments (tenant_id, id),
    FOREIGN KEY (tenant_id, hold_id) REFERENCES holds (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT occupancy_no_overlap EXCLUDE USING gist
        (tenant_id WITH =, resource_id WITH =, lane WITH =, during WITH &&)
);
SELECT protect_tenant_table('occupancy');
-- The exclusion index is a poor one to read by, and row-level security switches && off: readers
-- compare starts_at and ends_at, which are leakproof.
CREATE INDEX idx_occupancy_start ON occupancy (tenant_id, resource_id, starts_at) INCLUDE (ends_at);
CREATE INDEX idx_occupancy_appointment ON occupancy (tenant_id, appointment_id);
CREATE INDEX idx_occupancy_hold ON occupancy (tenant_id, hold_id) WHERE hold_id IS NOT NULL;

CREATE TABLE waitlist (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    provider_id uuid,
    facility_id uuid,
    appointment_type text,
    earliest date,
    latest date,
    priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    status text NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'offered', 'booked', 'expired', 'removed')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('waitlist');
CREATE INDEX idx_waitlist_waiting ON waitlist (tenant_id, created_at) WHERE status = 'waiting';
CREATE INDEX idx_waitlist_patient ON waitlist (tenant_id, patient_id);
