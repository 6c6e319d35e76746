-- What a record is found by is of a search parameter: numbers are `identifier`, beside tags, profiles
-- and codes that no column holds.
ALTER TABLE fhir_numbers ADD COLUMN parameter text COLLATE "C" NOT NULL DEFAULT 'identifier';
