-- Calendars that people subscribe to. The address of one is signed and stands nowhere in the
-- database, so that reading this table opens no calendar.
CREATE TABLE calendar_feeds (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid,
    provider_id uuid,
    created_by uuid, -- API key; NULL for the system's own work
    last_read_at timestamptz, -- to the hour, so that polling is not writing
    revoked_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    CHECK (num_nonnulls(patient_id, provider_id) = 1),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES providers (tenant_id, id)
);
-- Feeds are revoked, not removed: the audit names them.
SELECT protect_tenant_table('calendar_feeds', 'SELECT, INSERT, UPDATE');
CREATE INDEX idx_calendar_feeds_patient ON calendar_feeds (tenant_id, patient_id, id)
    WHERE patient_id IS NOT NULL;
CREATE INDEX idx_calendar_feeds_provider ON calendar_feeds (tenant_id, provider_id, id)
    WHERE provider_id IS NOT NULL;

-- The calendar entry that was attached to an email.
ALTER TABLE outbox_messages ADD COLUMN calendar text;
