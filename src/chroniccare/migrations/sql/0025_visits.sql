-- Which of its rooms and equipment were asked for by id: a visit that moves keeps these. Of visits
-- that were booked before this is not known, so theirs may be exchanged within a category.
ALTER TABLE appointments ADD COLUMN named_resource_ids uuid[] NOT NULL DEFAULT '{}';

-- Visits that a provider joins are few: read in the order of a list, and filtered.
CREATE INDEX idx_appointments_joined ON appointments (tenant_id, scheduled_start, id)
    WHERE additional_provider_ids <> '{}';
