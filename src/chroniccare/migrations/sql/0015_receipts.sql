-- Receipts: what providers tell of an attempt afterwards, stored before anything follows from it.

-- Where an attempt went, so that a bounce or a complaint is held against that address and no other:
-- the patient's may have changed since. What a receipt says of it is not believed, nor stored.
ALTER TABLE notification_attempts ADD COLUMN recipient text COLLATE "C";

-- What a receipt can make of an attempt, and of a message that nobody can be sure about.
ALTER TABLE notification_attempts DROP CONSTRAINT notification_attempts_status_check;
ALTER TABLE notification_attempts ADD CONSTRAINT notification_attempts_status_check CHECK (status IN
    ('prepared', 'in_flight', 'accepted', 'rejected', 'transient', 'unknown', 'delivered',
     'undelivered', 'unconfirmed'));
ALTER TABLE notifications DROP CONSTRAINT notifications_delivery_status_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_delivery_status_check CHECK (delivery_status IN
    ('pending', 'held', 'queued', 'sending', 'unknown', 'needs_staff', 'accepted', 'undelivered',
     'delivered', 'unconfirmed', 'failed', 'suppressed', 'expired', 'cancelled', 'superseded'));

-- A callback names an attempt or the provider's id, never a tenant: the tenant follows from the
-- attempt. So the system's own work may look up whose an attempt is, and sees nothing else of it.
CREATE POLICY system_claims ON notification_attempts FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (id, tenant_id, driver, provider_message_id) ON notification_attempts
    TO chroniccare_system;
CREATE INDEX idx_notification_attempts_echo ON notification_attempts (driver, provider_message_id)
    WHERE provider_message_id IS NOT NULL;

-- The doubtful rows, and the accepted attempts whose driver should tell more: both are few.
CREATE INDEX idx_notifications_unknown ON notifications (tenant_id, updated_at)
    WHERE delivery_status = 'unknown';
CREATE INDEX idx_notification_attempts_awaited ON notification_attempts (tenant_id, started_at)
    WHERE status = 'accepted' AND driver IN ('aws', 'ses', 'sns', 'http');

ALTER TABLE notification_receipts ADD COLUMN code text COLLATE "C";
CREATE INDEX idx_notification_receipts_attempt ON notification_receipts (tenant_id, attempt_id);

-- Receipts as they come in, before it is known whose they are; a row is removed once it stands in
-- its tenant's notification_receipts. It holds ids and codes, no address and no text. Only the
-- system's own work sees it: no tenant has any right here.
CREATE TABLE receipt_inbox (
    id uuid PRIMARY KEY,
    driver text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL CHECK (length(event_id) <= 64),
    kind text NOT NULL CHECK (kind IN ('accepted', 'delayed', 'undelivered', 'rejected',
        'bounced_soft', 'bounced_hard', 'opted_out', 'delivered', 'complained')),
    attempt_id uuid,
    provider_message_id text COLLATE "C" CHECK (length(provider_message_id) <= 200),
    code text COLLATE "C" CHECK (length(code) <= 64),
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    next_look_at timestamptz NOT NULL,
    looks integer NOT NULL DEFAULT 0,
    CHECK (attempt_id IS NOT NULL OR provider_message_id IS NOT NULL)
);
CREATE UNIQUE INDEX uk_receipt_inbox_event ON receipt_inbox (driver, event_id);
CREATE INDEX idx_receipt_inbox_due ON receipt_inbox (next_look_at);
ALTER TABLE receipt_inbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE receipt_inbox FORCE ROW LEVEL SECURITY;
CREATE POLICY system_inbox ON receipt_inbox TO chroniccare_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON receipt_inbox TO chroniccare_system;
GRANT UPDATE (next_look_at, looks) ON receipt_inbox TO chroniccare_system;
