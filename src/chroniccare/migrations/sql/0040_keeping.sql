-- What is kept how long, and who is told when it is not.

-- A webhook whose secret cannot be opened is disabled in the end, and says so.
ALTER TABLE webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_disabled_reason_check,
    ADD CONSTRAINT webhook_endpoints_disabled_reason_check
        CHECK (disabled_reason IN ('gone', 'failing', 'unreadable', 'by_hand'));
