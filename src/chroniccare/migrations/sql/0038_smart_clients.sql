-- SMART Backend Services: programs that sign in with a key pair, and read and write FHIR. The id is the client_id.
CREATE TABLE smart_clients (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    jwks_url text CHECK (length(jwks_url) BETWEEN 1 AND 2048),
    jwks jsonb,
    scopes jsonb NOT NULL,
    networks jsonb NOT NULL DEFAULT '[]',
    enabled boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    UNIQUE (tenant_id, id),
    CONSTRAINT ck_smart_clients_keys CHECK (num_nonnulls(jwks_url, jwks) = 1)
);
SELECT protect_tenant_table('smart_clients', 'SELECT, INSERT, UPDATE'); -- who is removed stays: the audit names it
CREATE INDEX idx_smart_clients_created ON smart_clients (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE POLICY system_authenticates ON smart_clients FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (id, tenant_id, jwks_url, jwks, scopes, networks, enabled, deleted_at) ON smart_clients TO chroniccare_system;

-- One row for each assertion that was taken and the access token that it was answered with: the primary key is what
-- makes an assertion good for one token. Hashes of both; a row is of no use after kept_until.
CREATE TABLE smart_tokens (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    client_id uuid NOT NULL,
    jti_hash bytea NOT NULL CHECK (length(jti_hash) = 32),
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    scopes jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    kept_until timestamptz NOT NULL CHECK (kept_until > expires_at),
    PRIMARY KEY (tenant_id, client_id, jti_hash),
    FOREIGN KEY (tenant_id, client_id) REFERENCES smart_clients (tenant_id, id),
    -- Random and looked up before the tenant is known, so this key cannot begin with the tenant.
    CONSTRAINT uk_smart_tokens_hash UNIQUE (token_hash)
);
SELECT protect_tenant_table('smart_tokens', 'SELECT, INSERT, DELETE');
CREATE INDEX idx_smart_tokens_kept ON smart_tokens (tenant_id, kept_until);
CREATE POLICY system_authenticates ON smart_tokens FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (tenant_id, client_id, token_hash, scopes, expires_at) ON smart_tokens TO chroniccare_system;
