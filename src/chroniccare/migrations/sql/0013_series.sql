-- Series: what a visit of one comes back as, and which occurrence of it each visit is.
ALTER TABLE appointment_series
    -- Counted from the visits when they are read: a number kept beside them would need every step
    -- of every visit to keep it right.
    DROP COLUMN total_appointments,
    DROP COLUMN completed_appointments,
    ADD COLUMN facility_id uuid NOT NULL, -- no released code has written a series
    ADD COLUMN appointment_type text NOT NULL CHECK (length(appointment_type) BETWEEN 1 AND 50),
    ADD COLUMN local_time time NOT NULL, -- on the facility's clocks
    ADD COLUMN time_zone text NOT NULL,
    ADD COLUMN duration_minutes integer NOT NULL CHECK (duration_minutes BETWEEN 1 AND 1440),
    ADD COLUMN rdates text[] NOT NULL DEFAULT '{}', -- local days or times, ISO 8601
    ADD COLUMN exdates text[] NOT NULL DEFAULT '{}',
    ADD COLUMN mode text NOT NULL
        CHECK (mode IN ('all_or_nothing', 'next_best', 'skip_conflicts')),
    ADD COLUMN split_from_id uuid, -- the series whose later visits this one took over
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN cancellation_reason text,
    ADD FOREIGN KEY (tenant_id, facility_id) REFERENCES facilities (tenant_id, id),
    ADD FOREIGN KEY (tenant_id, split_from_id) REFERENCES appointment_series (tenant_id, id);
DROP INDEX idx_appointment_series_patient;
CREATE INDEX idx_appointment_series_patient ON appointment_series (tenant_id, patient_id, id);

ALTER TABLE appointments
    ADD COLUMN recurrence_id timestamptz, -- the start that the rule gave it (RFC 5545 RECURRENCE-ID)
    ADD COLUMN series_exception boolean NOT NULL DEFAULT false, -- changed by itself since
    ADD CONSTRAINT chk_appointment_recurrence
        CHECK (series_id IS NOT NULL OR (recurrence_id IS NULL AND NOT series_exception));
DROP INDEX idx_appointments_series;
CREATE INDEX idx_appointments_series ON appointments (tenant_id, series_id, scheduled_start)
    WHERE series_id IS NOT NULL;
CREATE UNIQUE INDEX uk_appointments_occurrence ON appointments (tenant_id, series_id, recurrence_id)
    WHERE recurrence_id IS NOT NULL;
