-- Notifications: an intent, its attempts, the receipts for them; and what must not be sent.
CREATE TABLE notification_templates (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    template_key text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'push')),
    language text NOT NULL,
    subject text,
    body text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    UNIQUE (tenant_id, template_key, channel, language, version)
);
SELECT protect_tenant_table('notification_templates');

CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid,
    provider_id uuid,
    appointment_id uuid,
    medication_id uuid,
    notification_type text NOT NULL CHECK (length(notification_type) BETWEEN 1 AND 50),
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'push')),
    channel_plan jsonb NOT NULL, -- the channels still to try, in order; the first is `channel`
    priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('urgent', 'normal', 'bulk')),
    scheduled_send_time timestamptz NOT NULL,
    expires_at timestamptz,
    sent_at timestamptz,
    delivery_status text NOT NULL DEFAULT 'pending' CHECK (delivery_status IN ('pending', 'held',
        'queued', 'sending', 'unknown', 'accepted', 'undelivered', 'delivered', 'unconfirmed',
        'failed', 'suppressed', 'expired', 'cancelled', 'superseded')),
    read_at timestamptz,
    acknowledged_at timestamptz,
    template_data jsonb NOT NULL DEFAULT '{}',
    retry_count integer NOT NULL DEFAULT 0,
    delivery_details jsonb NOT NULL DEFAULT '{}',
    dedupe_key text COLLATE "C" NOT NULL,
    -- The claim: who works on it until when, and a number that grows with every claim.
    next_attempt_at timestamptz NOT NULL,
    lease_until timestamptz,
    fence integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    -- source id + source version + purpose + offset: planning the same fact twice adds nothing
    UNIQUE (tenant_id, dedupe_key),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id),
    FOREIGN KEY (tenant_id, appointment_id) REFERENCES appointments (tenant_id, id),
    FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, id)
);
SELECT protect_tenant_table('notifications');
CREATE INDEX idx_notifications_due ON notifications (tenant_id, next_attempt_at)
    WHERE delivery_status IN ('pending', 'held', 'queued', 'sending');
CREATE INDEX idx_notifications_patient ON notifications (tenant_id, patient_id, scheduled_send_time, id);
CREATE INDEX idx_notifications_appointment ON notifications (tenant_id, appointment_id);
CREATE INDEX idx_notifications_medication ON notifications (tenant_id, medication_id)
    WHERE medication_id IS NOT NULL;
CREATE INDEX idx_notifications_status ON notifications (tenant_id, delivery_status, scheduled_send_time);
-- Dispatch claims across tenants and sees no more of a row than this.
CREATE POLICY system_claims ON notifications TO chroniccare_system USING (true) WITH CHECK (true);
GRANT SELECT (id, tenant_id, priority, delivery_status, next_attempt_at, lease_until, fence)
    ON notifications TO chroniccare_system;
GRANT UPDATE (delivery_status, lease_until, fence, updated_at) ON notifications TO chroniccare_system;

CREATE TABLE notification_attempts (
    id uuid PRIMARY KEY, -- what a provider echoes back to us
    tenant_id uuid NOT NULL,
    notification_id uuid NOT NULL,
    number smallint NOT NULL,
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'push')),
    driver text NOT NULL,
    status text NOT NULL
        CHECK (status IN ('prepared', 'in_flight', 'accepted', 'rejected', 'transient', 'unknown')),
    provider_message_id text COLLATE "C",
    error_code text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, notification_id, number),
    FOREIGN KEY (tenant_id, notification_id) REFERENCES notifications (tenant_id, id)
);
SELECT protect_tenant_table('notification_attempts');
CREATE INDEX idx_notification_attempts_provider ON notification_attempts
    (tenant_id, driver, provider_message_id) WHERE provider_message_id IS NOT NULL;

CREATE TABLE notification_receipts (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    attempt_id uuid,
    driver text NOT NULL,
    provider_event_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    UNIQUE (tenant_id, driver, provider_event_id),
    FOREIGN KEY (tenant_id, attempt_id) REFERENCES notification_attempts (tenant_id, id)
);
SELECT protect_tenant_table('notification_receipts');

CREATE TABLE suppressions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'push')),
    value text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    lifted_at timestamptz
);
SELECT protect_tenant_table('suppressions');
CREATE UNIQUE INDEX uk_suppressions_active ON suppressions (tenant_id, channel, value)
    WHERE lifted_at IS NULL;

-- What the local `outbox` channel keeps to look at, in place of a provider.
CREATE TABLE outbox_messages (
    id uuid PRIMARY KEY, -- the attempt's id, so that a repeated hand-over adds nothing
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    notification_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('sms', 'email', 'push')),
    recipient text NOT NULL,
    subject text,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, notification_id) REFERENCES notifications (tenant_id, id)
);
SELECT protect_tenant_table('outbox_messages');
CREATE INDEX idx_outbox_messages_created ON outbox_messages (tenant_id, created_at, id);
CREATE INDEX idx_outbox_messages_notification ON outbox_messages (tenant_id, notification_id);
