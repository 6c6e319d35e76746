-- FHIR resources of the types that have no table of their own, as documents.
CREATE TABLE fhir_resources (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    type text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    patient_id uuid, -- whose it is, if it is a patient's
    -- The same and never NULL, so that it joins with the index: a search by patient and code then reads
    -- that patient's rows of it alone.
    whose uuid NOT NULL GENERATED ALWAYS AS
        (coalesce(patient_id, '00000000-0000-0000-0000-000000000000')) STORED,
    resource text NOT NULL, -- JSON without id and version, sealed; empty once it was removed
    happened_at timestamptz NOT NULL, -- what the type is sorted by in time; the year 1 if nothing says
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('fhir_resources');
CREATE INDEX idx_fhir_resources_type ON fhir_resources (tenant_id, type, id) WHERE deleted_at IS NULL;
CREATE INDEX idx_fhir_resources_whose ON fhir_resources (tenant_id, whose, type, happened_at, id);
CREATE INDEX idx_fhir_resources_patient ON fhir_resources (tenant_id, patient_id) WHERE patient_id IS NOT NULL;
CREATE INDEX idx_fhir_resources_updated ON fhir_resources (tenant_id, type, updated_at, id);

-- What they were before each change; by type, so that the history of one is a walk on an index.
CREATE FUNCTION keep_stored_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO record_versions (tenant_id, patient_id, table_name, record_id, version, is_gone, updated_at,
        replaced_at, rows)
    VALUES (OLD.tenant_id, OLD.patient_id, 'fhir_resources.' || OLD.type, OLD.id, OLD.version,
        OLD.deleted_at IS NOT NULL, OLD.updated_at, NEW.updated_at,
        jsonb_build_object('fhir_resources', jsonb_build_array(to_jsonb(OLD))));
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION keep_stored_version() FROM PUBLIC;
CREATE TRIGGER keep_version AFTER UPDATE ON fhir_resources FOR EACH ROW
    WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION keep_stored_version();

-- What searches find them by: one row a value, of the columns that its kind of parameter compares.
CREATE TABLE fhir_index (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    resource_id uuid NOT NULL,
    whose uuid NOT NULL, -- as the resource says
    path text COLLATE "C" NOT NULL, -- type and element: Observation.component.code
    code text COLLATE "C", -- a code, a folded text, an address; of a number with a system its blind index
    system text COLLATE "C", -- of the code; of a reference the type that it leads to
    target uuid, -- of a reference
    low timestamptz, -- of a time, its first moment
    high timestamptz, -- the first moment after it
    amount double precision,
    unit text COLLATE "C", -- its code, or its word if it has none
    unit_system text COLLATE "C",
    FOREIGN KEY (tenant_id, resource_id) REFERENCES fhir_resources (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('fhir_index');
CREATE INDEX idx_fhir_index_resource ON fhir_index (tenant_id, resource_id, path);
CREATE INDEX idx_fhir_index_code ON fhir_index (tenant_id, path, code, whose, resource_id) INCLUDE (system)
    WHERE code IS NOT NULL;
CREATE INDEX idx_fhir_index_target ON fhir_index (tenant_id, target, path, resource_id)
    WHERE target IS NOT NULL;
CREATE INDEX idx_fhir_index_time ON fhir_index (tenant_id, path, whose, low, high, resource_id)
    WHERE low IS NOT NULL;
CREATE INDEX idx_fhir_index_amount ON fhir_index (tenant_id, path, code, amount, whose, resource_id)
    WHERE amount IS NOT NULL;
