-- Keys that a backup of the database does not open: besides the master key they are wrapped with a
-- key of their tenant's that is outside of the database.
ALTER TABLE tenant_keys ADD COLUMN stored_at timestamptz; -- since when; null: the master key is enough
