-- The keys that single fields of a tenant are encrypted with, wrapped under a master key that is not
-- in the database (ADR 0029). The columns themselves stay as they are: a sealed value is text.
CREATE TABLE tenant_keys (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    purpose text COLLATE "C" NOT NULL CHECK (purpose IN ('data', 'record', 'index')),
    version smallint NOT NULL CHECK (version >= 1),
    wrapped bytea,
    master_id text COLLATE "C" NOT NULL, -- under which master key
    -- `retiring`: still opens what it sealed. `destroyed`: nobody has the key any more.
    state text COLLATE "C" NOT NULL CHECK (state IN ('active', 'retiring', 'destroyed')),
    created_at timestamptz NOT NULL,
    retired_at timestamptz, -- since when another one seals
    destroyed_at timestamptz,
    swept_at timestamptz, -- since when no row is known that another version sealed, or none
    PRIMARY KEY (tenant_id, purpose, version),
    CHECK ((state = 'destroyed') = (wrapped IS NULL)),
    CHECK ((state = 'destroyed') = (destroyed_at IS NOT NULL))
);
SELECT protect_tenant_table('tenant_keys', 'SELECT, INSERT, UPDATE');
CREATE UNIQUE INDEX uk_tenant_keys_active ON tenant_keys (tenant_id, purpose) WHERE state = 'active';

-- Tokens of devices are looked up by equality: what is sealed has a keyed hash for that. A sealed
-- token is longer, and too long for an index.
ALTER TABLE patient_devices
    ADD COLUMN token_index bytea CHECK (length(token_index) = 32),
    DROP CONSTRAINT patient_devices_token_check,
    ADD CONSTRAINT patient_devices_token_check CHECK (length(token) BETWEEN 8 AND 8192);
DROP INDEX uk_patient_devices_token;
CREATE UNIQUE INDEX uk_patient_devices_token ON patient_devices (tenant_id, platform, token)
    WHERE status <> 'removed' AND token_index IS NULL;
CREATE UNIQUE INDEX uk_patient_devices_token_index ON patient_devices (tenant_id, platform, token_index)
    WHERE status <> 'removed' AND token_index IS NOT NULL;
