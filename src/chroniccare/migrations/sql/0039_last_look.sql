-- Before a message is sent again, the receipts of its earlier attempts are applied. Whoever sends looks for them here,
-- and sees no more than that there is one, of its own tenant's attempts.
CREATE INDEX idx_receipt_inbox_attempt ON receipt_inbox (attempt_id) WHERE attempt_id IS NOT NULL;
CREATE POLICY tenant_looks ON receipt_inbox FOR SELECT TO chroniccare_app
    USING (EXISTS (SELECT FROM notification_attempts a WHERE a.id = receipt_inbox.attempt_id));
GRANT SELECT (attempt_id) ON receipt_inbox TO chroniccare_app;
