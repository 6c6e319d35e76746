-- Roles. The login that migrates owns the schema; nothing else does.
-- chroniccare_app    what requests and jobs run as: one tenant's rows, through row-level security
-- chroniccare_system what authentication and dispatch run as: ids and due times across tenants
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chroniccare_app') THEN
        CREATE ROLE chroniccare_app NOLOGIN NOINHERIT;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chroniccare_system') THEN
        CREATE ROLE chroniccare_system NOLOGIN NOINHERIT;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of this server was migrated at the same moment
END
$$;
-- The login may take on both roles (RDS's master user is no superuser, so it must be a member).
DO $$ BEGIN EXECUTE format('GRANT chroniccare_app, chroniccare_system TO %I', current_user); END $$;

CREATE EXTENSION IF NOT EXISTS btree_gist;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO chroniccare_app, chroniccare_system;

-- Puts a tenant's table behind row-level security. Without a tenant set the policy compares with
-- NULL and shows nothing; nullif, because a SET LOCAL that has ended leaves '' behind.
CREATE FUNCTION protect_tenant_table(target regclass, rights text DEFAULT 'SELECT, INSERT, UPDATE, DELETE')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY tenant_isolation ON %s TO chroniccare_app'
        ' USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)'
        ' WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', target);
    EXECUTE format('GRANT %s ON %s TO chroniccare_app', rights, target);
END
$$;
REVOKE ALL ON FUNCTION protect_tenant_table(regclass, text) FROM PUBLIC;
