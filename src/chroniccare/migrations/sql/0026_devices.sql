-- The devices on which a patient has the clinic's app: where push messages go.

-- `waiting`: to be registered with the provider, as soon as it answers. `removed`: to be forgotten
-- there, then here. `endpoint` is where the provider takes messages for it; `token` is the device's
-- own address, which no answer, no event, no audit and no log holds.
CREATE TABLE patient_devices (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    platform text COLLATE "C" NOT NULL CHECK (platform IN ('fcm', 'apns', 'apns_sandbox')),
    token text COLLATE "C" NOT NULL CHECK (length(token) BETWEEN 8 AND 2048),
    app text,
    locale text,
    status text COLLATE "C" NOT NULL CHECK (status IN ('waiting', 'enabled', 'disabled', 'removed')),
    reason text COLLATE "C",
    endpoint text COLLATE "C",
    seen_at timestamptz NOT NULL, -- when the app last named its token
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (status <> 'enabled' OR endpoint IS NOT NULL),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('patient_devices');
-- A device is one patient's: who signs in on it last.
CREATE UNIQUE INDEX uk_patient_devices_token ON patient_devices (tenant_id, platform, token)
    WHERE status <> 'removed';
CREATE INDEX idx_patient_devices_patient ON patient_devices (tenant_id, patient_id, created_at, id);
CREATE INDEX idx_patient_devices_endpoint ON patient_devices (tenant_id, endpoint)
    WHERE endpoint IS NOT NULL;
CREATE INDEX idx_patient_devices_due ON patient_devices (tenant_id, next_try_at)
    WHERE status IN ('waiting', 'removed');
