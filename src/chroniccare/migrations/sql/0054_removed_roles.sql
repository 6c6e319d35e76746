-- That a provider worked at a facility is a row without versions: what is left of it is that it was
-- removed, so that FHIR answers that it is gone. What a FHIR client wrote beside it goes with it.
CREATE FUNCTION keep_removed_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM fhir_extras WHERE id = OLD.id;
    INSERT INTO record_versions (tenant_id, table_name, record_id, version, is_gone, updated_at,
        replaced_at, rows)
    VALUES (OLD.tenant_id, TG_TABLE_NAME, OLD.id, 1, true, now(), 'infinity', '{}')
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION keep_removed_role() FROM PUBLIC;
CREATE TRIGGER keep_removed AFTER DELETE ON provider_facilities
    FOR EACH ROW EXECUTE FUNCTION keep_removed_role();
