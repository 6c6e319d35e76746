-- Several drivers a channel, and plans: which channel follows when, and what is waited for.

-- A clinic's own plan for a kind of message; without one, the default in code applies.
CREATE TABLE notification_plans (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    notification_type text COLLATE "C" NOT NULL CHECK (length(notification_type) BETWEEN 1 AND 50),
    -- [{"channel": "sms", "timeout_minutes": 60, "evidence": "delivered"}, ...], in order
    steps jsonb NOT NULL CHECK (jsonb_typeof(steps) = 'array' AND jsonb_array_length(steps) BETWEEN 1 AND 3),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, notification_type)
);
SELECT protect_tenant_table('notification_plans');

-- Until when an accepted message waits to be delivered before the next channel of its plan; null
-- where nothing follows, or where its driver tells nothing.
ALTER TABLE notifications ADD COLUMN evidence_due_at timestamptz;
CREATE INDEX idx_notifications_evidence ON notifications (tenant_id, evidence_due_at)
    WHERE delivery_status = 'accepted' AND evidence_due_at IS NOT NULL;

-- What the drivers of each worker process are like, for staff to look at; a row is replaced every
-- minute and goes with its process. It names drivers and counts, no message and no patient.
CREATE TABLE driver_states (
    process uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'push')),
    driver text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    reason text COLLATE "C",
    until timestamptz,
    weight integer NOT NULL,
    eased integer NOT NULL,
    parts_per_second integer NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (process, channel, driver)
);
ALTER TABLE driver_states ENABLE ROW LEVEL SECURITY;
ALTER TABLE driver_states FORCE ROW LEVEL SECURITY;
CREATE POLICY system_drivers ON driver_states TO chroniccare_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON driver_states TO chroniccare_system;

-- How many of a driver's messages arrive is counted over all tenants, of a quarter of an hour: the
-- rows of one stretch of time lie side by side, so that the smallest of indexes finds them.
GRANT SELECT (channel, status, started_at) ON notification_attempts TO chroniccare_system;
CREATE INDEX idx_notification_attempts_started ON notification_attempts USING brin (started_at)
    WITH (pages_per_range = 16, autosummarize = on);
