-- Telephone numbers, email addresses and messages are sealed (ADR 0035). The columns stay as they
-- are: a sealed value is text. What an address is found by, once it is sealed, stands beside it;
-- without that it is found by itself. No row is changed here: the worker seals them.
ALTER TABLE contact_points ADD COLUMN value_index text COLLATE "C" CHECK (length(value_index) = 44);
CREATE INDEX idx_contact_points_address ON contact_points (tenant_id, (coalesce(value_index, value)));
DROP INDEX idx_contact_points_value;

-- How many columns the worker had to look at when it had sealed them all; a release that seals
-- more of them looks at the rows again.
ALTER TABLE tenant_keys ADD COLUMN swept_columns smallint NOT NULL DEFAULT 0;

-- The index that was unique stays for the release before this one.
ALTER TABLE suppressions ADD COLUMN value_index text COLLATE "C" CHECK (length(value_index) = 44);
CREATE UNIQUE INDEX uk_suppressions_address ON suppressions (tenant_id, channel, (coalesce(value_index, value)))
    WHERE lifted_at IS NULL;

-- Only text messages are looked for by the number that they went to: replies come from it.
ALTER TABLE notification_attempts
    ADD COLUMN recipient_index text COLLATE "C" CHECK (length(recipient_index) = 44);
CREATE INDEX idx_notification_attempts_address ON notification_attempts
    (tenant_id, (coalesce(recipient_index, recipient)))
    WHERE channel = 'sms' AND recipient IS NOT NULL;
DROP INDEX idx_notification_attempts_recipient;
