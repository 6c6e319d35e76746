-- Doses that are due together are one message (ADR 0027), which can be answered; what is dispensed
-- runs out.

-- Which doses a message is about. `bundle_id` is worked out of patient and minute; the patient's
-- message has it in its dedupe key, and with it everybody's copy of it.
CREATE TABLE medication_reminder_doses (
    tenant_id uuid NOT NULL,
    bundle_id uuid NOT NULL,
    dose_id uuid NOT NULL,
    due_at timestamptz NOT NULL, -- when the dose was due; at another time by now: it was moved
    PRIMARY KEY (tenant_id, bundle_id, dose_id),
    FOREIGN KEY (tenant_id, dose_id) REFERENCES medication_doses (tenant_id, id)
);
SELECT protect_tenant_table('medication_reminder_doses');
CREATE INDEX idx_medication_reminder_doses_dose ON medication_reminder_doses (tenant_id, dose_id);
-- What is due soon and open: the loop of reminders.
CREATE INDEX idx_medication_doses_due ON medication_doses (tenant_id, due_at)
    WHERE state IN ('planned', 'due', 'reminded');

-- A reply about doses, for the loop that settles them.
ALTER TABLE inbound_messages
    ADD COLUMN notification_id uuid, -- the message that it answers
    ADD FOREIGN KEY (tenant_id, notification_id) REFERENCES notifications (tenant_id, id),
    DROP CONSTRAINT inbound_messages_action_check,
    ADD CONSTRAINT inbound_messages_action_check
        CHECK (action IN ('confirm', 'accept', 'decline', 'taken', 'skip'));

ALTER TABLE medication_fills
    ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'refill'
        CHECK (kind IN ('first_fill', 'refill', 'emergency')),
    ADD COLUMN used_refill boolean NOT NULL DEFAULT false; -- a refill of the prescription went on it

-- What the fills of a medication come to; worked out again with each fill, so that a loop finds
-- what runs out without reading every fill there ever was.
CREATE TABLE medication_supplies (
    tenant_id uuid NOT NULL,
    medication_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    fill_id uuid NOT NULL, -- the last one
    filled_at timestamptz NOT NULL, -- when it was recorded
    run_out_on date NOT NULL, -- last local day that the supply covers
    asked_at timestamptz, -- when the prescriber was asked to renew it; once a fill
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, medication_id),
    FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, id),
    FOREIGN KEY (tenant_id, fill_id) REFERENCES medication_fills (tenant_id, id)
);
SELECT protect_tenant_table('medication_supplies');
CREATE INDEX idx_medication_supplies_run_out ON medication_supplies (tenant_id, run_out_on);
