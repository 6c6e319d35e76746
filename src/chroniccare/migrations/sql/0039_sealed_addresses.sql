-- Telephone numbers, email addresses and messages are sealed (ADR 0035). The columns stay as they
-- are: a sealed value is text. What an address is found by, once it is sealed, stands beside it;
-- without that it is found by itself: CASE, because row-level security holds coalesce() for leaky and
-- would not use the index. No row is changed here: the worker seals them.
ALTER TABLE contact_points ADD COLUMN value_index text COLLATE "C" CHECK (length(value_index) = 44);
CREATE INDEX idx_contact_points_address ON contact_points
    (tenant_id, (CASE WHEN value_index IS NULL THEN value ELSE value_index END));
DROP INDEX idx_contact_points_value;

-- How many columns the worker had to look at when it had sealed them all; a release that seals
-- more of them looks at the rows again.
ALTER TABLE tenant_keys ADD COLUMN swept_columns smallint NOT NULL DEFAULT 0;

-- The index that was unique stays for the release before this one.
ALTER TABLE suppressions ADD COLUMN value_index text COLLATE "C" CHECK (length(value_index) = 44);
CREATE UNIQUE INDEX uk_suppressions_address ON suppressions
    (tenant_id, channel, (CASE WHEN value_index IS NULL THEN value ELSE value_index END))
    WHERE lifted_at IS NULL;

-- Only text messages are looked for by the number that they went to: replies come from it.
ALTER TABLE notification_attempts
    ADD COLUMN recipient_index text COLLATE "C" CHECK (length(recipient_index) = 44);
CREATE INDEX idx_notification_attempts_address ON notification_attempts
    (tenant_id, (CASE WHEN recipient_index IS NULL THEN recipient ELSE recipient_index END))
    WHERE channel = 'sms' AND recipient IS NOT NULL;
DROP INDEX idx_notification_attempts_recipient;

-- A sealed text is longer than the 2,000 characters that are kept of a reply.
ALTER TABLE inbound_messages
    ADD COLUMN sender_index text COLLATE "C" CHECK (length(sender_index) = 44),
    DROP CONSTRAINT inbound_messages_body_check,
    ADD CONSTRAINT inbound_messages_body_check CHECK (length(body) <= 20000);
CREATE INDEX idx_inbound_messages_address ON inbound_messages
    (tenant_id, (CASE WHEN sender_index IS NULL THEN sender ELSE sender_index END), received_at, id);
DROP INDEX idx_inbound_messages_sender;
-- Whose a reply is in the inbox is not known yet: sender and body are sealed together, in `body`,
-- under the master key that `master_id` names; `sender` is a dash then.
ALTER TABLE inbound_inbox
    ADD COLUMN master_id text COLLATE "C",
    DROP CONSTRAINT inbound_inbox_body_check,
    ADD CONSTRAINT inbound_inbox_body_check CHECK (length(body) <= 20000);
