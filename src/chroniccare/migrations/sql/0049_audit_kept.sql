-- The oldest part of an audit goes when it has been kept for as many years as it must.
ALTER TABLE privacy_jobs
    DROP CONSTRAINT privacy_jobs_kind_check,
    DROP CONSTRAINT privacy_jobs_check,
    ADD CONSTRAINT privacy_jobs_kind_check
        CHECK (kind IN ('export', 'erasure', 'retention', 'audit_retention')),
    ADD CONSTRAINT privacy_jobs_check
        CHECK ((kind IN ('retention', 'audit_retention')) = (patient_id IS NULL));

-- Removes the first `most` seals of a chain up to the number `last`, with their rows; says how many.
-- For the owner alone, and as the application's role, as `erase_rows_of_tenant` does it.
CREATE FUNCTION prune_audit_of_tenant(tenant uuid, last bigint, most integer)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    GRANT DELETE ON audit_logs, audit_seals TO chroniccare_app;
    SET LOCAL ROLE chroniccare_app;
    WITH seals AS (
        DELETE FROM audit_seals WHERE tenant_id = tenant AND seq IN (
            SELECT seq FROM audit_seals WHERE tenant_id = tenant AND seq <= last ORDER BY seq LIMIT most)
        RETURNING audit_id
    ), logs AS (
        DELETE FROM audit_logs l USING seals s WHERE l.tenant_id = tenant AND l.id = s.audit_id
    )
    SELECT count(*) INTO gone FROM seals;
    RESET ROLE;
    REVOKE DELETE ON audit_logs, audit_seals FROM chroniccare_app;
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION prune_audit_of_tenant(uuid, bigint, integer) FROM PUBLIC;
