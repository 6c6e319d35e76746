-- Before a message is sent again, the receipts of its earlier attempts are applied. Whoever sends looks for them here,
-- and sees no more than that there is one, of its own tenant's attempts.
CREATE INDEX idx_receipt_inbox_attempt ON receipt_inbox (attempt_id) WHERE attempt_id IS NOT NULL;
CREATE POLICY tenant_looks ON receipt_inbox FOR SELECT TO chroniccare_app
    USING (EXISTS (SELECT FROM notification_attempts a WHERE a.id = receipt_inbox.attempt_id));
GRANT SELECT (attempt_id) ON receipt_inbox TO chroniccare_app;

-- That a tenant was erased is said by the owner alone: as `erase_rows_of_tenant`, for its own tenant
-- and this transaction.
REVOKE UPDATE ON tenants FROM chroniccare_app;
GRANT UPDATE (name, subdomain, configuration, is_active, updated_at) ON tenants TO chroniccare_app;
CREATE FUNCTION mark_tenant_erased(tenant uuid, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    GRANT UPDATE (erased_at) ON tenants TO chroniccare_app;
    SET LOCAL ROLE chroniccare_app;
    UPDATE tenants SET erased_at = at, updated_at = at WHERE id = tenant;
    RESET ROLE;
    REVOKE UPDATE (erased_at) ON tenants FROM chroniccare_app;
END
$$;
REVOKE ALL ON FUNCTION mark_tenant_erased(uuid, timestamptz) FROM PUBLIC;
