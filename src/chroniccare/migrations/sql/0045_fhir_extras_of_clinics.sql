-- Providers and facilities, which are nobody's, are written by FHIR clients as well.
ALTER TABLE fhir_extras ALTER COLUMN patient_id DROP NOT NULL;
