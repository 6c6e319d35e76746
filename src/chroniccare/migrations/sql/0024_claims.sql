-- What is due is claimed class by class, urgent first: behind a backlog of any length an urgent
-- message must be found at once, so the class stands in the index before the time.
CREATE INDEX idx_notifications_claim ON notifications (tenant_id, priority, next_attempt_at)
    WHERE delivery_status IN ('pending', 'held', 'queued', 'sending');
DROP INDEX idx_notifications_due;
