-- What speaks against a drug: allergies, a site's own sets of interactions, its subset of RxNorm.

-- FHIR AllergyIntolerance, as much of it as a check can use.
CREATE TABLE patient_allergies (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    substance text NOT NULL CHECK (length(substance) BETWEEN 1 AND 255), -- as it was told
    category text COLLATE "C" NOT NULL
        CHECK (category IN ('medication', 'food', 'environment', 'biologic')),
    rxnorm_code text COLLATE "C" CHECK (rxnorm_code ~ '^[1-9][0-9]{0,7}$'), -- an ingredient
    drug_class text COLLATE "C", -- a class of the built-in table, such as penicillins
    criticality text COLLATE "C" NOT NULL
        CHECK (criticality IN ('low', 'high', 'unable-to-assess')),
    verification text COLLATE "C" NOT NULL
        CHECK (verification IN ('unconfirmed', 'confirmed', 'refuted', 'entered-in-error')),
    note text,
    recorded_on date, -- when it was first noted; null: not known
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('patient_allergies');
CREATE INDEX idx_patient_allergies_patient ON patient_allergies (tenant_id, patient_id, created_at, id)
    WHERE deleted_at IS NULL;

-- A table of interactions that the site holds a licence for.
CREATE TABLE interaction_sets (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    version text NOT NULL CHECK (length(version) BETWEEN 1 AND 50),
    pairs integer NOT NULL CHECK (pairs >= 0),
    sha256 text COLLATE "C" NOT NULL, -- of the file
    license_acknowledged boolean NOT NULL CHECK (license_acknowledged),
    imported_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, name)
);
SELECT protect_tenant_table('interaction_sets');

CREATE TABLE interaction_pairs (
    tenant_id uuid NOT NULL,
    set_id uuid NOT NULL,
    a text COLLATE "C" NOT NULL, -- RXCUIs of ingredients, the smaller text first
    b text COLLATE "C" NOT NULL,
    severity text COLLATE "C" NOT NULL CHECK (severity IN ('contraindicated', 'warning')),
    text text NOT NULL,
    PRIMARY KEY (tenant_id, set_id, a, b),
    CHECK (a < b),
    FOREIGN KEY (tenant_id, set_id) REFERENCES interaction_sets (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('interaction_pairs');

-- Every ingredient of a set: its RXCUI is known as one, even without a subset of RxNorm.
CREATE TABLE interaction_members (
    tenant_id uuid NOT NULL,
    set_id uuid NOT NULL,
    rxcui text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, set_id, rxcui),
    FOREIGN KEY (tenant_id, set_id) REFERENCES interaction_sets (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('interaction_members');

-- The site's subset of RxNorm: at most one release at a time.
CREATE TABLE rxnorm_releases (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    release text NOT NULL CHECK (length(release) BETWEEN 1 AND 50),
    concepts integer NOT NULL CHECK (concepts > 0),
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
);
SELECT protect_tenant_table('rxnorm_releases');

CREATE TABLE rxnorm_concepts (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    rxcui text COLLATE "C" NOT NULL,
    term_type text COLLATE "C" NOT NULL,
    name text NOT NULL,
    ingredients text[] NOT NULL, -- RXCUIs of what it is made of; of an ingredient, itself
    PRIMARY KEY (tenant_id, rxcui)
);
SELECT protect_tenant_table('rxnorm_concepts');
