-- Bulk exports: what was asked for, how far the worker has come, and the files. One a clinic at a time.
CREATE TABLE fhir_exports (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    actor_id uuid NOT NULL, -- who asked, and alone may fetch
    actor_type text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    document text NOT NULL, -- sealed: a filter may say anything
    place integer NOT NULL DEFAULT 0, -- in the list of types
    after_id uuid, -- the last record of that type
    exported bigint NOT NULL DEFAULT 0,
    fence integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    UNIQUE (tenant_id, id)
);
SELECT protect_tenant_table('fhir_exports');
CREATE UNIQUE INDEX uk_fhir_exports_open ON fhir_exports (tenant_id)
    WHERE state IN ('waiting', 'running');

CREATE TABLE fhir_export_files (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    export_id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    count bigint NOT NULL, -- resources
    frames integer NOT NULL,
    stored bigint NOT NULL, -- bytes on disk that count: what is behind them was never finished
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, export_id) REFERENCES fhir_exports (tenant_id, id)
);
SELECT protect_tenant_table('fhir_export_files');
CREATE INDEX idx_fhir_export_files_export ON fhir_export_files (tenant_id, export_id, id);
