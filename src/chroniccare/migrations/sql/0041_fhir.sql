-- What a FHIR client wrote of a record and we have no column for, or would write otherwise.
CREATE TABLE fhir_extras (
    id uuid PRIMARY KEY, -- the record's own
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    extra jsonb NOT NULL, -- sealed
    updated_at timestamptz NOT NULL,
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('fhir_extras');
CREATE INDEX idx_fhir_extras_patient ON fhir_extras (tenant_id, patient_id);
