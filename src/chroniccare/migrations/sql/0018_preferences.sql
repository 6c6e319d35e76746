-- Who wants what, by which channel, and who receives it with a patient or in their place.

-- `{"categories": {<category>: {"enabled", "channels"}}, "quiet_hours": {"start", "end"}}`: a column of
-- its own, so that replacing the patient keeps it.
ALTER TABLE patients ADD COLUMN notification_preferences jsonb NOT NULL DEFAULT '{}';

-- FHIR RelatedPerson: a caregiver, a parent, a neighbour who drives.
CREATE TABLE related_persons (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    patient_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    relationship text NOT NULL CHECK (length(relationship) BETWEEN 1 AND 50),
    language text NOT NULL,
    time_zone text, -- null: the patient's
    contact_info jsonb NOT NULL DEFAULT '{}',
    channels jsonb NOT NULL DEFAULT '[]', -- in the order to try; empty: SMS, then email
    consent_settings jsonb NOT NULL DEFAULT '{}',
    categories jsonb NOT NULL DEFAULT '[]', -- the messages that they receive
    receives text NOT NULL CHECK (receives IN ('besides', 'instead')),
    period_start date, -- first and last local day, where they live
    period_end date,
    is_active boolean NOT NULL DEFAULT true,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CHECK (period_end >= period_start),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('related_persons');
CREATE INDEX idx_related_persons_patient ON related_persons (tenant_id, patient_id, created_at, id)
    WHERE deleted_at IS NULL;

ALTER TABLE contact_points
    ADD COLUMN related_person_id uuid,
    ADD FOREIGN KEY (tenant_id, related_person_id) REFERENCES related_persons (tenant_id, id),
    DROP CONSTRAINT contact_points_check,
    ADD CONSTRAINT contact_points_check
        CHECK (num_nonnulls(patient_id, provider_id, facility_id, related_person_id) = 1);
CREATE INDEX idx_contact_points_related_person ON contact_points (tenant_id, related_person_id, rank)
    WHERE related_person_id IS NOT NULL;

-- Who receives the message; null: the patient.
ALTER TABLE notifications
    ADD COLUMN related_person_id uuid,
    ADD FOREIGN KEY (tenant_id, related_person_id) REFERENCES related_persons (tenant_id, id);

-- Who lifted an entry of the opt-out list is in the audit; how the recipient asked for it is here.
ALTER TABLE suppressions ADD COLUMN lifted_because text;
