-- A claim moves the row's next look to the end of its lease, so that the index of due rows holds
-- no row that somebody works on, and a row whose worker died is due again by itself.
GRANT UPDATE (next_attempt_at) ON notifications TO chroniccare_system;
