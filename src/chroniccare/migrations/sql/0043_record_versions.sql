-- What a record was before each change, so that FHIR tells its history. The record itself is its
-- latest version: a new one costs nothing.
CREATE TABLE record_versions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    -- No foreign key: its check would queue behind whoever has locked the patient, an erasure say,
    -- which waits for the visit that is being changed.
    patient_id uuid,
    table_name text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    version integer NOT NULL,
    is_gone boolean NOT NULL, -- the record was removed by then
    updated_at timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL,
    rows jsonb NOT NULL, -- by table; what is sealed there is sealed here, for the same place
    UNIQUE (tenant_id, record_id, version)
);
SELECT protect_tenant_table('record_versions');
CREATE INDEX idx_record_versions_time
    ON record_versions (tenant_id, table_name, updated_at, record_id, version);
CREATE INDEX idx_record_versions_patient ON record_versions (tenant_id, patient_id)
    WHERE patient_id IS NOT NULL;

-- Contact points and what a FHIR client wrote are replaced after their record, in the same
-- transaction: here they still are what they were. They are locked, so that keys that they are sealed
-- under are not destroyed before this copy can be seen.
CREATE FUNCTION keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    points jsonb;
    extras jsonb;
    carers jsonb;
    is_gone boolean := coalesce(before ->> 'deleted_at' IS NOT NULL, false);
    replaced timestamptz := now();
BEGIN
    IF TG_OP = 'UPDATE' THEN
        replaced := NEW.updated_at;
    END IF;
    IF TG_TABLE_NAME = 'patients' THEN
        SELECT jsonb_agg(to_jsonb(c) - 'value_index') INTO points FROM (SELECT * FROM contact_points
            WHERE tenant_id = OLD.tenant_id AND patient_id = OLD.id FOR SHARE) c;
        SELECT jsonb_agg(to_jsonb(c)) INTO carers FROM patient_providers c
            WHERE c.tenant_id = OLD.tenant_id AND c.patient_id = OLD.id AND c.is_primary AND c.ended_at IS NULL;
    ELSIF TG_TABLE_NAME = 'providers' THEN
        SELECT jsonb_agg(to_jsonb(c) - 'value_index') INTO points FROM (SELECT * FROM contact_points
            WHERE tenant_id = OLD.tenant_id AND provider_id = OLD.id FOR SHARE) c;
    ELSIF TG_TABLE_NAME = 'facilities' THEN
        SELECT jsonb_agg(to_jsonb(c) - 'value_index') INTO points FROM (SELECT * FROM contact_points
            WHERE tenant_id = OLD.tenant_id AND facility_id = OLD.id FOR SHARE) c;
    ELSIF TG_TABLE_NAME = 'related_persons' THEN
        SELECT jsonb_agg(to_jsonb(c) - 'value_index') INTO points FROM (SELECT * FROM contact_points
            WHERE tenant_id = OLD.tenant_id AND related_person_id = OLD.id FOR SHARE) c;
    END IF;
    SELECT jsonb_build_array(to_jsonb(c)) INTO extras
        FROM (SELECT * FROM fhir_extras WHERE id = OLD.id FOR SHARE) c;
    INSERT INTO record_versions (tenant_id, patient_id, table_name, record_id, version, is_gone, updated_at,
        replaced_at, rows)
    VALUES (OLD.tenant_id,
        (before ->> CASE TG_TABLE_NAME WHEN 'patients' THEN 'id' ELSE 'patient_id' END)::uuid,
        TG_TABLE_NAME, OLD.id, OLD.version, is_gone, OLD.updated_at, replaced,
        jsonb_build_object(TG_TABLE_NAME, jsonb_build_array(before), 'contact_points', coalesce(points, '[]'),
            'fhir_extras', coalesce(extras, '[]'), 'patient_providers', coalesce(carers, '[]')));
    IF TG_OP = 'DELETE' THEN
        INSERT INTO record_versions (tenant_id, table_name, record_id, version, is_gone, updated_at,
            replaced_at, rows)
        VALUES (OLD.tenant_id, TG_TABLE_NAME, OLD.id, OLD.version + 1, true, replaced, 'infinity', '{}');
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION keep_version() FROM PUBLIC;

DO $$
DECLARE
    target regclass;
BEGIN
    FOREACH target IN ARRAY ARRAY['patients', 'providers', 'facilities', 'visit_types', 'appointments',
        'medications', 'related_persons']::regclass[]
    LOOP
        EXECUTE format('CREATE TRIGGER keep_version AFTER UPDATE ON %s FOR EACH ROW'
            ' WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION keep_version()', target);
    END LOOP;
END
$$;
-- The only ones that are removed as rows.
CREATE TRIGGER keep_removed AFTER DELETE ON visit_types FOR EACH ROW EXECUTE FUNCTION keep_version();
