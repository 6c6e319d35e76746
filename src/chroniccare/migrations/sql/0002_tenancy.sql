-- Tenants, API keys, staff users, idempotency keys, audit.
CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    subdomain text COLLATE "C" NOT NULL CHECK (subdomain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    configuration jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uk_tenants_subdomain UNIQUE (subdomain)
);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenants TO chroniccare_app
    USING (id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON tenants TO chroniccare_app;
CREATE POLICY system_reads ON tenants FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (id, name, subdomain, is_active, created_at) ON tenants TO chroniccare_system;

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    key_name text NOT NULL CHECK (length(key_name) BETWEEN 1 AND 255),
    key_id text COLLATE "C" NOT NULL,
    key_hash bytea NOT NULL CHECK (length(key_hash) = 32),
    environment text NOT NULL DEFAULT 'live' CHECK (environment IN ('live', 'test')),
    scopes jsonb NOT NULL DEFAULT '[]',
    is_active boolean NOT NULL DEFAULT true,
    last_used_at timestamptz,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    rotated_from uuid,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, rotated_from) REFERENCES api_keys (tenant_id, id),
    -- Random and needed before the tenant is known, so this key cannot begin with the tenant.
    CONSTRAINT uk_api_keys_key_id UNIQUE (key_id)
);
SELECT protect_tenant_table('api_keys', 'SELECT, INSERT, UPDATE');
CREATE POLICY system_authenticates ON api_keys FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (id, tenant_id, key_id, key_hash, environment, scopes, is_active, expires_at,
    revoked_at, last_used_at) ON api_keys TO chroniccare_system;
CREATE POLICY system_notes_use ON api_keys FOR UPDATE TO chroniccare_system USING (true);
GRANT UPDATE (last_used_at) ON api_keys TO chroniccare_system;

CREATE TABLE staff_users (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    email text COLLATE "C" NOT NULL,
    display_name text NOT NULL,
    role text NOT NULL CHECK (role IN ('administrator', 'clinician', 'front_desk', 'auditor')),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, email)
);
SELECT protect_tenant_table('staff_users');

CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    key text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL,
    status smallint,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
SELECT protect_tenant_table('idempotency_keys');
CREATE INDEX idx_idempotency_keys_created ON idempotency_keys (tenant_id, created_at);

CREATE TABLE audit_logs (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    entity_type text NOT NULL,
    entity_id uuid,
    action text NOT NULL,
    user_id uuid,
    user_type text,
    changes jsonb NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    ip_address inet,
    created_at timestamptz NOT NULL
);
-- Written once: nobody but the owner can change or remove a row.
SELECT protect_tenant_table('audit_logs', 'SELECT, INSERT');
CREATE POLICY system_records_reads ON audit_logs FOR INSERT TO chroniccare_system WITH CHECK (true);
GRANT INSERT ON audit_logs TO chroniccare_system;
CREATE INDEX idx_audit_logs_created ON audit_logs (tenant_id, created_at, id);
CREATE INDEX idx_audit_logs_user ON audit_logs (tenant_id, user_id, created_at, id);
CREATE INDEX idx_audit_logs_entity ON audit_logs (tenant_id, entity_id, created_at);
