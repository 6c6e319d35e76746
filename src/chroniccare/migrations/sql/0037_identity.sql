-- Staff who sign in with tokens of an issuer of OpenID Connect: who they are there, and what they may do here.
ALTER TABLE staff_users
    ADD COLUMN issuer text COLLATE "C" CHECK (length(issuer) BETWEEN 1 AND 255),
    ADD COLUMN subject text COLLATE "C" CHECK (length(subject) BETWEEN 1 AND 255),
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD CONSTRAINT ck_staff_users_known CHECK ((issuer IS NULL) = (subject IS NULL)),
    ADD CONSTRAINT uk_staff_users_subject UNIQUE (tenant_id, issuer, subject);
-- A token is looked up before its tenant is known: this is how the tenant is found.
CREATE INDEX idx_staff_users_subject ON staff_users (issuer, subject) WHERE is_active;
REVOKE DELETE ON staff_users FROM chroniccare_app; -- who has left is set aside: the audit names them
CREATE POLICY system_authenticates ON staff_users FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (id, tenant_id, role, is_active, issuer, subject, created_at) ON staff_users TO chroniccare_system;

-- Break-glass access: for an hour somebody sees what a clinician sees, and says why.
CREATE TABLE break_glass (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    staff_id uuid NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > started_at),
    ended_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, staff_id) REFERENCES staff_users (tenant_id, id)
);
SELECT protect_tenant_table('break_glass', 'SELECT, INSERT, UPDATE');
CREATE UNIQUE INDEX uk_break_glass_open ON break_glass (tenant_id, staff_id) WHERE ended_at IS NULL;
CREATE INDEX idx_break_glass_started ON break_glass (tenant_id, started_at, id);
CREATE POLICY system_authenticates ON break_glass FOR SELECT TO chroniccare_system USING (true);
GRANT SELECT (id, tenant_id, staff_id, expires_at, ended_at) ON break_glass TO chroniccare_system;

-- Where a key may be used from, as CIDR; empty: anywhere.
ALTER TABLE api_keys ADD COLUMN networks jsonb NOT NULL DEFAULT '[]';
GRANT SELECT (networks) ON api_keys TO chroniccare_system;
