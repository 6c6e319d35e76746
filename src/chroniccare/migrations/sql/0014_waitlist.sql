-- The waitlist: what a patient waits for in full, times that became free, offers of one time each.
ALTER TABLE waitlist
    ADD COLUMN appointment_id uuid, -- a later visit that the patient would move up
    ADD COLUMN booked_appointment_id uuid, -- the visit that came of it
    ADD COLUMN duration_minutes integer CHECK (duration_minutes BETWEEN 5 AND 1440),
    ADD COLUMN due_on date,
    ADD COLUMN days text[] NOT NULL DEFAULT '{}', -- empty: any day
    ADD COLUMN starts_from text COLLATE "C", -- HH:MM on the facility's clock
    ADD COLUMN starts_before text COLLATE "C",
    ADD COLUMN notes text,
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    -- The order of the list: the most urgent first, then what is due first.
    ADD COLUMN urgency smallint NOT NULL GENERATED ALWAYS AS (CASE priority
        WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END) STORED,
    ADD COLUMN due_order date NOT NULL
        GENERATED ALWAYS AS (coalesce(due_on, date '2200-01-01')) STORED,
    ADD CHECK (latest >= earliest),
    ADD FOREIGN KEY (tenant_id, appointment_id) REFERENCES appointments (tenant_id, id),
    ADD FOREIGN KEY (tenant_id, booked_appointment_id) REFERENCES appointments (tenant_id, id);
CREATE INDEX idx_waitlist_order ON waitlist (tenant_id, urgency, due_order, created_at, id);
CREATE INDEX idx_waitlist_appointment ON waitlist (tenant_id, appointment_id)
    WHERE appointment_id IS NOT NULL;
CREATE INDEX idx_waitlist_booked ON waitlist (tenant_id, booked_appointment_id)
    WHERE booked_appointment_id IS NOT NULL;

-- A job: a time that became free while somebody waited. The row goes when it is done.
CREATE TABLE waitlist_openings (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    provider_id uuid NOT NULL,
    facility_id uuid NOT NULL,
    appointment_type text NOT NULL,
    starts_at timestamptz NOT NULL,
    duration_minutes integer NOT NULL,
    next_attempt_at timestamptz NOT NULL, -- later than created_at: the next in line sleeps
    created_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
SELECT protect_tenant_table('waitlist_openings');
CREATE INDEX idx_waitlist_openings_due ON waitlist_openings (tenant_id, next_attempt_at, id);

CREATE TABLE waitlist_offers (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    entry_id uuid NOT NULL,
    appointment_id uuid NOT NULL, -- the visit that holds the time
    opening_id uuid, -- the job it was made by; NULL: staff made it
    provider_id uuid NOT NULL,
    facility_id uuid NOT NULL,
    scheduled_start timestamptz NOT NULL,
    scheduled_end timestamptz NOT NULL,
    offered_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    outcome text NOT NULL DEFAULT 'open'
        CHECK (outcome IN ('open', 'accepted', 'declined', 'expired', 'withdrawn')),
    settled_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CHECK ((outcome = 'open') = (settled_at IS NULL)),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, appointment_id),
    FOREIGN KEY (tenant_id, entry_id) REFERENCES waitlist (tenant_id, id),
    FOREIGN KEY (tenant_id, appointment_id) REFERENCES appointments (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id)
);
-- Offers are settled, not removed: nobody is offered the same time twice.
SELECT protect_tenant_table('waitlist_offers', 'SELECT, INSERT, UPDATE');
-- One at a time: to an entry one open offer, and of an opening no more than one ever.
CREATE UNIQUE INDEX uk_waitlist_offers_entry ON waitlist_offers (tenant_id, entry_id)
    WHERE outcome = 'open';
CREATE UNIQUE INDEX uk_waitlist_offers_opening ON waitlist_offers (tenant_id, opening_id)
    WHERE opening_id IS NOT NULL;
CREATE INDEX idx_waitlist_offers_history ON waitlist_offers (tenant_id, entry_id, offered_at, id);
CREATE INDEX idx_waitlist_offers_open ON waitlist_offers (tenant_id, expires_at)
    WHERE outcome = 'open';
