-- Events for other systems: a row in the transaction of the fact (the outbox), delivered later.
CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    url text NOT NULL,
    events jsonb NOT NULL DEFAULT '[]',
    secret text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id)
);
SELECT protect_tenant_table('webhook_endpoints');

CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    event_type text NOT NULL,
    entity_type text NOT NULL,
    entity_id uuid NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    relayed_at timestamptz,
    UNIQUE (tenant_id, id)
);
SELECT protect_tenant_table('outbox');
CREATE INDEX idx_outbox_waiting ON outbox (tenant_id, id) WHERE relayed_at IS NULL;
CREATE INDEX idx_outbox_entity ON outbox (tenant_id, entity_id, id);

CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'delivered', 'failed', 'disabled')),
    response_status integer,
    latency_ms integer,
    next_attempt_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, endpoint_id, event_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES outbox (tenant_id, id)
);
SELECT protect_tenant_table('webhook_deliveries');
CREATE INDEX idx_webhook_deliveries_due ON webhook_deliveries (tenant_id, next_attempt_at)
    WHERE status = 'pending';
CREATE INDEX idx_webhook_deliveries_event ON webhook_deliveries (tenant_id, event_id);
