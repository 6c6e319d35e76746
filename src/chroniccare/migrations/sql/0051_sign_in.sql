-- Sign-in of staff to the console: passwords, second factors, what was tried in vain, sessions.
ALTER TABLE staff_users
    ADD COLUMN locale text NOT NULL DEFAULT 'en' CHECK (locale IN ('en', 'es')),
    ADD COLUMN theme text NOT NULL DEFAULT 'auto' CHECK (theme IN ('auto', 'light', 'dark'));
GRANT SELECT (display_name, locale, theme) ON staff_users TO chroniccare_system;

-- Who has claimed a task, by their key or account: names are of several.
ALTER TABLE tasks ADD COLUMN assigned_key uuid;

-- Argon2id with its parameters and salt; the secret of the codes is sealed, recovery codes are hashed. code_step is the
-- last half minute whose code was taken: none is taken twice.
CREATE TABLE staff_logins (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    staff_id uuid NOT NULL,
    password_hash text NOT NULL CHECK (length(password_hash) BETWEEN 1 AND 255),
    must_change boolean NOT NULL,
    expires_at timestamptz, -- of a password that somebody else has given
    changed_at timestamptz NOT NULL,
    code_secret text,
    code_since timestamptz,
    code_step bigint NOT NULL DEFAULT 0,
    recovery_hashes jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (tenant_id, staff_id),
    FOREIGN KEY (tenant_id, staff_id) REFERENCES staff_users (tenant_id, id),
    CONSTRAINT ck_staff_logins_code CHECK (code_since IS NULL OR code_secret IS NOT NULL)
);
SELECT protect_tenant_table('staff_logins', 'SELECT, INSERT, UPDATE');

-- By a keyed hash of what was typed as the email address, whether or not somebody has it.
CREATE TABLE staff_attempts (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    account_hash bytea NOT NULL CHECK (length(account_hash) = 32),
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    rests_until timestamptz,
    PRIMARY KEY (tenant_id, account_hash)
);
SELECT protect_tenant_table('staff_attempts');
CREATE INDEX idx_staff_attempts_last ON staff_attempts (tenant_id, last_at);

-- A session holds for the role it was begun in. `needs` is what must be done before anything else.
CREATE TABLE staff_sessions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    staff_id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    role text NOT NULL,
    needs text NOT NULL CHECK (needs IN ('', 'code', 'password', 'factor')),
    ip_address inet,
    device text NOT NULL CHECK (length(device) <= 100),
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    ended_at timestamptz,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, staff_id) REFERENCES staff_users (tenant_id, id),
    -- Random and looked up before the tenant is known, so this key cannot begin with the tenant.
    CONSTRAINT uk_staff_sessions_token UNIQUE (token_hash)
);
SELECT protect_tenant_table('staff_sessions');
CREATE INDEX idx_staff_sessions_staff ON staff_sessions (tenant_id, staff_id) WHERE ended_at IS NULL;
CREATE INDEX idx_staff_sessions_expires ON staff_sessions (tenant_id, expires_at);
CREATE POLICY system_authenticates ON staff_sessions FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (id, tenant_id, staff_id, token_hash, role, needs, seen_at, expires_at, ended_at)
    ON staff_sessions TO chroniccare_system;
CREATE POLICY system_notes_use ON staff_sessions FOR UPDATE TO chroniccare_system USING (true);
GRANT UPDATE (seen_at) ON staff_sessions TO chroniccare_system;
