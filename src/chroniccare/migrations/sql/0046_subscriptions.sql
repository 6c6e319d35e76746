-- FHIR subscriptions: endpoints of another shape, whose events are numbered.
ALTER TABLE webhook_endpoints
    ADD COLUMN shape text COLLATE "C" NOT NULL DEFAULT 'event'
        CHECK (shape IN ('event', 'fhir')),
    DROP CONSTRAINT webhook_endpoints_disabled_reason_check,
    ADD CONSTRAINT webhook_endpoints_disabled_reason_check
        CHECK (disabled_reason IN ('gone', 'failing', 'unreadable', 'credential', 'by_hand')),
    ADD COLUMN numbered bigint NOT NULL DEFAULT 0, -- events that have a number
    ADD COLUMN verified_at timestamptz; -- of the first answer of 2xx, at this address
ALTER TABLE webhook_deliveries ADD COLUMN number bigint CHECK (number > 0);
CREATE UNIQUE INDEX uk_webhook_deliveries_number
    ON webhook_deliveries (tenant_id, endpoint_id, number) WHERE number IS NOT NULL;
-- Until its address has answered, a subscription is sent the question alone.
GRANT SELECT (shape, verified_at) ON webhook_endpoints TO chroniccare_system;
GRANT SELECT (entity_type) ON webhook_deliveries TO chroniccare_system;

CREATE TABLE fhir_subscriptions (
    id uuid PRIMARY KEY, -- the endpoint's own
    tenant_id uuid NOT NULL,
    topic text COLLATE "C", -- null: `criteria` is a search
    document text NOT NULL, -- sealed: what the client wrote; a search, or a header, may say anything
    made_by uuid, -- who wrote it last: a key or a SMART client, without whom it is over; null: staff
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES webhook_endpoints (tenant_id, id)
);
SELECT protect_tenant_table('fhir_subscriptions');
