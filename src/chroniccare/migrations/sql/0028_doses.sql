-- Regimens, planned doses, what became of them, and what was dispensed.

ALTER TABLE medications
    ADD COLUMN as_needed boolean NOT NULL DEFAULT false, -- PRN: taken when needed, never planned
    ADD COLUMN regimen_version integer NOT NULL DEFAULT 1 CHECK (regimen_version > 0),
    ADD COLUMN drug_class text COLLATE "C", -- what its threshold of adherence goes by
    ADD COLUMN adherence_threshold smallint CHECK (adherence_threshold BETWEEN 1 AND 100), -- percent
    ADD COLUMN reminders boolean NOT NULL DEFAULT true,
    ADD COLUMN hold_until date, -- on hold: first local day on which it is taken again; null: until resumed
    ADD COLUMN stop_reason text,
    ADD COLUMN stopped_at timestamptz,
    ADD CHECK (days_supply BETWEEN 1 AND 400),
    ADD CHECK (refills_remaining BETWEEN 0 AND 99);

-- How a medication is taken, from one change to the next: FHIR Dosage, whose Timing is the truth.
CREATE TABLE medication_regimens (
    tenant_id uuid NOT NULL,
    medication_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    dosage jsonb NOT NULL, -- list of FHIR Dosage, in the order of `sequence`
    starts_on date NOT NULL, -- first day, where the patient lives
    ends_on date, -- last day; null: none
    effective_from timestamptz NOT NULL, -- its doses are due from then on
    effective_until timestamptz, -- and before this; null: it is in force
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, medication_id, version),
    CHECK (ends_on IS NULL OR ends_on >= starts_on),
    CHECK (effective_until IS NULL OR effective_until >= effective_from),
    FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, id)
);
SELECT protect_tenant_table('medication_regimens');
CREATE UNIQUE INDEX uk_medication_regimens_in_force ON medication_regimens (tenant_id, medication_id)
    WHERE effective_until IS NULL;

-- One dose of a regimen. The id is worked out of medication, regimen, local day and ordinal, so that
-- planning again meets the same row. What is known of it lies in `state`; every report that led
-- there in `medication_adherence`.
CREATE TABLE medication_doses (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    medication_id uuid NOT NULL,
    regimen_version integer NOT NULL,
    local_date date NOT NULL, -- the day it belongs to, on the patient's calendar
    ordinal smallint NOT NULL, -- of that day, from 0
    due_at timestamptz NOT NULL,
    late_at timestamptz NOT NULL, -- taken after this is taken late
    missed_at timestamptz NOT NULL, -- without a report by then it is inferred to be missed
    quantity numeric(12, 4),
    unit text,
    state text COLLATE "C" NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'due', 'reminded',
        'taken', 'skipped', 'missed', 'cancelled', 'not_applicable')),
    source text COLLATE "C" -- who says so; null: nobody has yet
        CHECK (source IN ('patient', 'caregiver', 'staff', 'device', 'inference')),
    taken_at timestamptz,
    reason text COLLATE "C", -- a code: why it was skipped, cancelled or does not apply
    updated_at timestamptz NOT NULL,
    CHECK (late_at >= due_at AND missed_at >= late_at),
    CHECK ((state = 'taken') = (taken_at IS NOT NULL)),
    CHECK ((state IN ('taken', 'skipped', 'missed')) = (source IS NOT NULL)),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, medication_id, regimen_version, local_date, ordinal),
    FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, id)
);
SELECT protect_tenant_table('medication_doses');
CREATE INDEX idx_medication_doses_medication ON medication_doses (tenant_id, medication_id, due_at);
CREATE INDEX idx_medication_doses_patient ON medication_doses (tenant_id, patient_id, due_at);
-- What the loops look at: what nobody has reported on.
CREATE INDEX idx_medication_doses_open ON medication_doses (tenant_id, missed_at)
    WHERE state IN ('planned', 'due', 'reminded');

-- One report about a dose; a later one corrects it, and none is ever changed.
ALTER TABLE medication_adherence
    ADD COLUMN patient_id uuid NOT NULL,
    ADD COLUMN dose_id uuid, -- null: of a medication taken as needed, or of no planned dose
    ADD COLUMN status text COLLATE "C" NOT NULL CHECK (status IN ('taken', 'skipped', 'missed')),
    ADD COLUMN reason text COLLATE "C",
    ADD COLUMN corrects_id uuid, -- the report that this one replaces
    ADD UNIQUE (tenant_id, id),
    ADD FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    ADD FOREIGN KEY (tenant_id, dose_id) REFERENCES medication_doses (tenant_id, id),
    ADD FOREIGN KEY (tenant_id, corrects_id) REFERENCES medication_adherence (tenant_id, id),
    ADD CHECK (was_taken IS NOT DISTINCT FROM (status = 'taken'));
CREATE INDEX idx_medication_adherence_dose ON medication_adherence (tenant_id, dose_id, created_at)
    WHERE dose_id IS NOT NULL;

-- What was dispensed.
CREATE TABLE medication_fills (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    medication_id uuid NOT NULL,
    filled_on date NOT NULL,
    days_supply integer NOT NULL CHECK (days_supply BETWEEN 1 AND 400),
    quantity numeric(12, 4) CHECK (quantity > 0),
    pharmacy text,
    source text COLLATE "C" NOT NULL CHECK (source IN ('patient', 'caregiver', 'staff', 'pharmacy')),
    voided_at timestamptz, -- entered by mistake
    created_at timestamptz NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, id)
);
SELECT protect_tenant_table('medication_fills');
CREATE INDEX idx_medication_fills_medication ON medication_fills (tenant_id, medication_id, filled_on, id);
