-- By what a record is found whose number is of a system that we have no column for. A number is never
-- here in clear: the hash is keyed with the tenant's own key.
ALTER TABLE fhir_extras ADD UNIQUE (tenant_id, id);
CREATE TABLE fhir_numbers (
    tenant_id uuid NOT NULL,
    record_id uuid NOT NULL,
    number_index text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, number_index, record_id),
    FOREIGN KEY (tenant_id, record_id) REFERENCES fhir_extras (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('fhir_numbers');
CREATE INDEX idx_fhir_numbers_record ON fhir_numbers (tenant_id, record_id);
