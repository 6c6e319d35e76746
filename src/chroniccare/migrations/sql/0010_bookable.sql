-- What booking knows: kinds of visits, rooms and equipment, group sessions, holds, a clinic's rules.

-- A hold is a visit in state `held` whose occupancy ends by itself (ADR 0013); nothing used these.
ALTER TABLE occupancy DROP COLUMN hold_id;
DROP TABLE holds;

ALTER TABLE resource
    ADD COLUMN category text COLLATE "C" CHECK (length(category) BETWEEN 1 AND 50),
    ADD COLUMN is_active boolean NOT NULL DEFAULT true,
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT chk_resource_place CHECK (kind IN ('provider', 'patient')
        OR num_nonnulls(name, category, facility_id) = 3);
CREATE INDEX idx_resource_place ON resource (tenant_id, facility_id, category, id)
    WHERE facility_id IS NOT NULL;

CREATE TABLE visit_types (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    code text COLLATE "C" NOT NULL CHECK (length(code) BETWEEN 1 AND 50), -- an appointment_type
    name text NOT NULL,
    description text,
    duration_minutes integer NOT NULL CHECK (duration_minutes BETWEEN 5 AND 1440),
    buffer_before_minutes integer NOT NULL DEFAULT 0 CHECK (buffer_before_minutes BETWEEN 0 AND 240),
    buffer_after_minutes integer NOT NULL DEFAULT 0 CHECK (buffer_after_minutes BETWEEN 0 AND 240),
    min_notice_minutes integer NOT NULL DEFAULT 0 CHECK (min_notice_minutes BETWEEN 0 AND 525600),
    horizon_days integer NOT NULL DEFAULT 731 CHECK (horizon_days BETWEEN 1 AND 731),
    -- [{"kind": "room", "category": "infusion", "count": 1}]: what a visit takes besides people
    requirements jsonb NOT NULL DEFAULT '[]',
    is_active boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, code),
    CHECK (duration_minutes + buffer_before_minutes + buffer_after_minutes <= 1440)
);
SELECT protect_tenant_table('visit_types');

-- One row a clinic; without one, the defaults here hold.
CREATE TABLE scheduling_policies (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    cancel_notice_minutes integer NOT NULL DEFAULT 0 CHECK (cancel_notice_minutes BETWEEN 0 AND 43200),
    reschedule_notice_minutes integer NOT NULL DEFAULT 0
        CHECK (reschedule_notice_minutes BETWEEN 0 AND 43200),
    max_reschedules smallint CHECK (max_reschedules BETWEEN 0 AND 100), -- NULL: no limit
    overbooking_lanes smallint NOT NULL DEFAULT 1 CHECK (overbooking_lanes BETWEEN 0 AND 10),
    waitlist_offer_minutes smallint NOT NULL DEFAULT 60
        CHECK (waitlist_offer_minutes BETWEEN 15 AND 1440),
    recall_return_days smallint NOT NULL DEFAULT 15 CHECK (recall_return_days BETWEEN 1 AND 365),
    calendar_details boolean NOT NULL DEFAULT false, -- clinical detail in calendars
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL
);
SELECT protect_tenant_table('scheduling_policies');

-- Ranges kept for urgent visits: others may have them only shortly before.
ALTER TABLE provider_availability
    ADD COLUMN reserved_for text CHECK (reserved_for IN ('high', 'urgent')),
    ADD COLUMN release_minutes integer CHECK (release_minutes BETWEEN 0 AND 43200),
    ADD CHECK (release_minutes IS NULL OR reserved_for IS NOT NULL);

CREATE TABLE group_sessions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    title text NOT NULL,
    provider_id uuid NOT NULL,
    facility_id uuid NOT NULL,
    appointment_type text NOT NULL CHECK (length(appointment_type) BETWEEN 1 AND 50),
    scheduled_start timestamptz NOT NULL,
    scheduled_end timestamptz NOT NULL,
    duration_minutes integer NOT NULL CHECK (duration_minutes BETWEEN 1 AND 1440),
    buffer_before_minutes integer NOT NULL DEFAULT 0,
    buffer_after_minutes integer NOT NULL DEFAULT 0,
    seats smallint NOT NULL CHECK (seats BETWEEN 1 AND 500),
    additional_provider_ids uuid[] NOT NULL DEFAULT '{}',
    resource_ids uuid[] NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'cancelled')),
    override jsonb,
    cancelled_at timestamptz,
    cancellation_reason text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    CHECK (scheduled_end = scheduled_start + duration_minutes * interval '1 minute'),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('group_sessions');
CREATE INDEX idx_group_sessions_start ON group_sessions (tenant_id, scheduled_start, id);

ALTER TABLE appointments
    ADD COLUMN additional_provider_ids uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN resource_ids uuid[] NOT NULL DEFAULT '{}', -- rooms and equipment
    ADD COLUMN group_session_id uuid,
    ADD COLUMN buffer_before_minutes integer NOT NULL DEFAULT 0,
    ADD COLUMN buffer_after_minutes integer NOT NULL DEFAULT 0,
    ADD COLUMN override jsonb, -- which rules staff set aside for it, and why
    ADD COLUMN held_until timestamptz,
    ADD COLUMN reschedule_count integer NOT NULL DEFAULT 0,
    ADD COLUMN sequence integer NOT NULL DEFAULT 0, -- RFC 5545 SEQUENCE: time, place or cancellation
    ADD CONSTRAINT chk_appointment_held CHECK ((status = 'held') = (held_until IS NOT NULL)),
    ADD FOREIGN KEY (tenant_id, group_session_id) REFERENCES group_sessions (tenant_id, id);
CREATE INDEX idx_appointments_group_session ON appointments (tenant_id, group_session_id)
    WHERE group_session_id IS NOT NULL;
CREATE INDEX idx_appointments_held ON appointments (tenant_id, held_until) WHERE status = 'held';

ALTER TABLE occupancy
    ADD COLUMN group_session_id uuid,
    ADD COLUMN held_until timestamptz, -- from then on the row is nobody's
    ADD CHECK (num_nonnulls(appointment_id, group_session_id) = 1),
    ADD FOREIGN KEY (tenant_id, group_session_id) REFERENCES group_sessions (tenant_id, id);
CREATE INDEX idx_occupancy_group_session ON occupancy (tenant_id, group_session_id)
    WHERE group_session_id IS NOT NULL;
DROP INDEX idx_occupancy_start;
CREATE INDEX idx_occupancy_start ON occupancy (tenant_id, resource_id, starts_at)
    INCLUDE (ends_at, lane, held_until);
