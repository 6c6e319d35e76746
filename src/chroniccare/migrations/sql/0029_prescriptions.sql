-- What a prescriber wrote, and the override of a finding that speaks against the drug.

ALTER TABLE medications
    ADD COLUMN sig text, -- as it was written; how it was read lies in medication_regimens
    ADD COLUMN override jsonb; -- reason, by whom and when: a contraindicated finding was set aside

-- What the loop looks at once a minute: what has ended, and what is on hold until a day.
CREATE INDEX idx_medications_ending ON medications (tenant_id, end_date)
    WHERE status IN ('active', 'on_hold') AND end_date IS NOT NULL;
CREATE INDEX idx_medications_hold_until ON medications (tenant_id, hold_until)
    WHERE status = 'on_hold' AND hold_until IS NOT NULL;
