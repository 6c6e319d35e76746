-- Facilities, providers, patients, and where they can be reached.
CREATE TABLE facilities (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    facility_type text NOT NULL CHECK (length(facility_type) BETWEEN 1 AND 50),
    address jsonb NOT NULL,
    contact_info jsonb NOT NULL DEFAULT '{}',
    operating_hours jsonb NOT NULL DEFAULT '{}',
    capabilities jsonb NOT NULL DEFAULT '[]',
    timezone text NOT NULL DEFAULT 'America/New_York',
    is_active boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    UNIQUE (tenant_id, id)
);
SELECT protect_tenant_table('facilities');
CREATE INDEX idx_facilities_name ON facilities (tenant_id, name COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX idx_facilities_type ON facilities (tenant_id, facility_type) WHERE deleted_at IS NULL;

CREATE TABLE providers (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    npi text COLLATE "C" CHECK (npi ~ '^[12][0-9]{9}$'),
    identifiers jsonb NOT NULL DEFAULT '[]',
    first_name text NOT NULL CHECK (length(first_name) BETWEEN 1 AND 100),
    last_name text NOT NULL CHECK (length(last_name) BETWEEN 1 AND 100),
    specializations jsonb NOT NULL DEFAULT '[]',
    qualifications jsonb NOT NULL DEFAULT '[]',
    contact_info jsonb NOT NULL DEFAULT '{}',
    languages jsonb NOT NULL DEFAULT '["en"]',
    telehealth_enabled boolean NOT NULL DEFAULT false,
    max_daily_capacity integer NOT NULL DEFAULT 20 CHECK (max_daily_capacity BETWEEN 0 AND 500),
    default_appointment_durations jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    UNIQUE (tenant_id, id)
);
SELECT protect_tenant_table('providers');
CREATE UNIQUE INDEX uk_providers_npi ON providers (tenant_id, npi) WHERE deleted_at IS NULL;
CREATE INDEX idx_providers_name ON providers (tenant_id, last_name COLLATE "C", first_name COLLATE "C", id)
    WHERE deleted_at IS NULL;

-- One row a specialization: row-level security switches a GIN index on jsonb off.
CREATE TABLE provider_specializations (
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    specialization text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, specialization, provider_id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('provider_specializations');

CREATE TABLE provider_facilities (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    facility_id uuid NOT NULL,
    is_primary boolean NOT NULL DEFAULT false,
    associated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, provider_id, facility_id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('provider_facilities');
CREATE INDEX idx_provider_facilities_facility ON provider_facilities (tenant_id, facility_id);
CREATE UNIQUE INDEX uk_provider_facilities_primary ON provider_facilities (tenant_id, provider_id)
    WHERE is_primary;

-- Local times in the facility's zone. end_time 24:00 is legal; end <= start runs into the next day.
CREATE TABLE provider_availability (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    facility_id uuid NOT NULL,
    day_of_week smallint NOT NULL CHECK (day_of_week BETWEEN 0 AND 6),
    start_time time NOT NULL,
    end_time time NOT NULL,
    slot_duration integer NOT NULL DEFAULT 30 CHECK (slot_duration BETWEEN 5 AND 1440),
    is_available boolean NOT NULL DEFAULT true,
    effective_from date NOT NULL,
    effective_until date,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (effective_until IS NULL OR effective_until >= effective_from),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('provider_availability');
CREATE INDEX idx_provider_availability_provider ON provider_availability (tenant_id, provider_id, day_of_week);

CREATE TABLE availability_exceptions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    provider_id uuid,
    facility_id uuid,
    day date NOT NULL,
    start_time time,
    end_time time,
    is_available boolean NOT NULL DEFAULT false,
    reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (provider_id IS NOT NULL OR facility_id IS NOT NULL),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('availability_exceptions');
CREATE INDEX idx_availability_exceptions_provider ON availability_exceptions (tenant_id, provider_id, day);
CREATE INDEX idx_availability_exceptions_facility ON availability_exceptions (tenant_id, facility_id, day);

CREATE TABLE patients (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    mrn text COLLATE "C" NOT NULL CHECK (length(mrn) BETWEEN 1 AND 50),
    first_name text NOT NULL CHECK (length(first_name) BETWEEN 1 AND 100),
    last_name text NOT NULL CHECK (length(last_name) BETWEEN 1 AND 100),
    date_of_birth date NOT NULL,
    gender text,
    contact_info jsonb NOT NULL DEFAULT '{}',
    emergency_contact jsonb NOT NULL DEFAULT '{}',
    insurance_info jsonb NOT NULL DEFAULT '{}',
    primary_diagnosis text,
    icd10_codes jsonb NOT NULL DEFAULT '[]',
    treatment_status text NOT NULL DEFAULT 'active',
    communication_preferences jsonb NOT NULL DEFAULT '{}',
    consent_settings jsonb NOT NULL DEFAULT '{}',
    time_zone text NOT NULL,
    language text NOT NULL DEFAULT 'en',
    is_active boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    UNIQUE (tenant_id, id)
);
SELECT protect_tenant_table('patients');
-- A deleted patient gives its MRN back.
CREATE UNIQUE INDEX uk_patients_mrn ON patients (tenant_id, mrn) WHERE deleted_at IS NULL;
CREATE INDEX idx_patients_name ON patients (tenant_id, last_name COLLATE "C", first_name COLLATE "C", id)
    WHERE deleted_at IS NULL;
CREATE INDEX idx_patients_birth ON patients (tenant_id, date_of_birth) WHERE deleted_at IS NULL;
CREATE INDEX idx_patients_status ON patients (tenant_id, treatment_status) WHERE deleted_at IS NULL;

-- What a name is found by: folded words (prefix search is >= and < under collation C), and each
-- word with one letter left out, so that one typing error still meets. Equality and comparison are
-- leakproof; trigram and lower() indexes are switched off by row-level security.
CREATE TABLE patient_name_tokens (
    tenant_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('word', 'typo')),
    token text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, kind, token, patient_id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('patient_name_tokens');
CREATE INDEX idx_patient_name_tokens_patient ON patient_name_tokens (tenant_id, patient_id);

CREATE TABLE patient_providers (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    provider_id uuid NOT NULL,
    relationship_type text NOT NULL CHECK (length(relationship_type) BETWEEN 1 AND 50),
    is_primary boolean NOT NULL DEFAULT false,
    assigned_at timestamptz NOT NULL,
    ended_at timestamptz,
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id)
);
SELECT protect_tenant_table('patient_providers');
CREATE UNIQUE INDEX uk_patient_providers_current ON patient_providers (tenant_id, patient_id, provider_id)
    WHERE ended_at IS NULL;
CREATE UNIQUE INDEX uk_patient_providers_primary ON patient_providers (tenant_id, patient_id)
    WHERE is_primary AND ended_at IS NULL;
CREATE INDEX idx_patient_providers_provider ON patient_providers (tenant_id, provider_id)
    WHERE ended_at IS NULL;

-- Rows of their own, so that each can be verified, suppressed and (later) encrypted by itself.
CREATE TABLE contact_points (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    patient_id uuid,
    provider_id uuid,
    facility_id uuid,
    system text NOT NULL CHECK (system IN ('phone', 'email', 'push')),
    value text COLLATE "C" NOT NULL,
    use text NOT NULL CHECK (use IN ('home', 'work', 'mobile', 'old', 'temp')),
    rank smallint NOT NULL CHECK (rank BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL,
    CHECK (num_nonnulls(patient_id, provider_id, facility_id) = 1),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('contact_points');
CREATE INDEX idx_contact_points_patient ON contact_points (tenant_id, patient_id, rank);
CREATE INDEX idx_contact_points_provider ON contact_points (tenant_id, provider_id, rank);
CREATE INDEX idx_contact_points_facility ON contact_points (tenant_id, facility_id, rank);
CREATE INDEX idx_contact_points_value ON contact_points (tenant_id, system, value);
