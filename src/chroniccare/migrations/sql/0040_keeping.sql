-- What is kept how long, and who is told when it is not.

-- A webhook whose secret cannot be opened is disabled in the end, and says so.
ALTER TABLE webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_disabled_reason_check,
    ADD CONSTRAINT webhook_endpoints_disabled_reason_check
        CHECK (disabled_reason IN ('gone', 'failing', 'unreadable', 'by_hand'));

-- A clinic that was erased: of its rows only this one is left, and its keys, which are destroyed.
ALTER TABLE tenants ADD COLUMN erased_at timestamptz;
GRANT SELECT (erased_at) ON tenants TO chroniccare_system;

-- Removes rows of one tenant from `targets`, at most `most` of each (null: all), and says how many of
-- each. For the owner alone. The rows are removed as the application's role, so that row-level
-- security stands between a mistake and another clinic; what that role may never remove, and what
-- triggers forbid, is lifted for this transaction and unseen by any other. Tables that refer to each
-- other, or to themselves, are emptied in one statement, at whose end references are checked.
CREATE FUNCTION erase_rows_of_tenant(targets regclass[], tenant uuid, most integer)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    target regclass;
    lifted regclass[] := ARRAY(
        SELECT t FROM unnest(targets) AS t WHERE NOT has_table_privilege('chroniccare_app', t, 'DELETE'));
    watched regclass[] := ARRAY(
        SELECT DISTINCT tgrelid::regclass FROM pg_trigger
        WHERE tgrelid = ANY (targets) AND NOT tgisinternal AND tgtype & 8 <> 0);
    steps text;
    counts text;
    gone bigint[];
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    FOREACH target IN ARRAY lifted LOOP
        EXECUTE format('GRANT DELETE ON %s TO chroniccare_app', target);
    END LOOP;
    FOREACH target IN ARRAY watched LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', target);
    END LOOP;
    SELECT string_agg(format(
            'd%1$s AS (DELETE FROM %2$s WHERE tenant_id = $1 AND ctid = ANY (ARRAY('
            'SELECT ctid FROM %2$s WHERE tenant_id = $1 LIMIT $2)) RETURNING 1)', place, name), ', '),
        string_agg(format('(SELECT count(*) FROM d%s)', place), ', ' ORDER BY place)
        INTO steps, counts FROM unnest(targets) WITH ORDINALITY AS t (name, place);
    SET LOCAL ROLE chroniccare_app;
    EXECUTE format('WITH %s SELECT ARRAY[%s]', steps, counts) INTO gone USING tenant, most;
    RESET ROLE;
    FOREACH target IN ARRAY watched LOOP
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', target);
    END LOOP;
    FOREACH target IN ARRAY lifted LOOP
        EXECUTE format('REVOKE DELETE ON %s FROM chroniccare_app', target);
    END LOOP;
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION erase_rows_of_tenant(regclass[], uuid, integer) FROM PUBLIC;

-- Up to which seal the audit of a tenant has been copied elsewhere, and who is at it.
CREATE TABLE audit_copies (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    seq bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    lease_until timestamptz NOT NULL
);
SELECT protect_tenant_table('audit_copies', 'SELECT, INSERT, UPDATE');
