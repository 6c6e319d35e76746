-- Which state of a message may follow which (docs/notifications.md has the picture). The trigger that
-- tells of every change looks it up on the way, so a change that has no place here fails with its
-- whole statement, whichever that is and whoever made it. What is proved is never taken back, what is
-- on the wire is not given up, and what was superseded stays so.
CREATE FUNCTION refuse_change(from_status text, to_status text) RETURNS text LANGUAGE plpgsql
IMMUTABLE AS $$
BEGIN
    RAISE EXCEPTION 'a message that is % cannot become %', from_status, to_status
        USING ERRCODE = 'check_violation';
END
$$;

-- As before (ADR 0014), but for the CASE. It stands here and not in a CHECK of the table, whose text
-- PostgreSQL would read again for each statement: that doubled the cost of changing one row.
CREATE OR REPLACE FUNCTION keep_changed_notifications() RETURNS trigger LANGUAGE plpgsql
SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO notification_history (tenant_id, notification_id, at, from_status, to_status,
        channel, next_attempt_at, reason, details)
    SELECT n.tenant_id, n.id, n.updated_at, o.delivery_status,
        CASE WHEN o.delivery_status || '>' || n.delivery_status = ANY (ARRAY[
            -- It waits: claimed, put off, given up, or settled by what is heard of an earlier attempt.
            'pending>queued', 'pending>held', 'pending>suppressed', 'pending>expired',
            'pending>cancelled', 'pending>superseded', 'pending>accepted', 'pending>delivered',
            'pending>failed', 'pending>unconfirmed',
            'held>queued', 'held>pending', 'held>suppressed', 'held>expired', 'held>cancelled',
            'held>superseded', 'held>accepted', 'held>delivered', 'held>failed', 'held>unconfirmed',
            'queued>sending', 'queued>pending', 'queued>held', 'queued>suppressed',
            'queued>expired', 'queued>cancelled', 'queued>superseded', 'queued>accepted',
            'queued>delivered', 'queued>failed', 'queued>unconfirmed',
            -- It is on the wire, or was, and nobody knows.
            'sending>pending', 'sending>accepted', 'sending>delivered', 'sending>unknown',
            'sending>failed', 'sending>unconfirmed',
            'unknown>pending', 'unknown>needs_staff', 'unknown>accepted', 'unknown>delivered',
            'unknown>unconfirmed', 'unknown>failed',
            'needs_staff>pending', 'needs_staff>accepted', 'needs_staff>delivered',
            'needs_staff>unconfirmed', 'needs_staff>failed', 'needs_staff>cancelled',
            -- A provider has it. The next channel is for when it is told that it did not arrive.
            'accepted>delivered', 'accepted>unconfirmed', 'accepted>pending', 'accepted>failed',
            'unconfirmed>delivered',
            -- Nobody was reached: it is replayed, or its file is read again.
            'failed>pending', 'failed>queued', 'failed>suppressed', 'failed>delivered',
            'suppressed>pending', 'suppressed>queued', 'suppressed>failed',
            'expired>pending', 'undelivered>pending',
            -- A visit whose cancelling was undone wants its messages again.
            'cancelled>pending'
        ]) THEN n.delivery_status ELSE refuse_change(o.delivery_status, n.delivery_status) END,
        n.channel, n.next_attempt_at,
        nullif(n.delivery_details ->> 'reason', o.delivery_details ->> 'reason'),
        CASE WHEN n.delivery_details <> o.delivery_details THEN
            (SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(n.delivery_details) d
             WHERE d.key <> 'reason' AND o.delivery_details -> d.key IS DISTINCT FROM d.value) END
    FROM after_change n JOIN before_change o ON o.id = n.id
    WHERE n.delivery_status <> o.delivery_status;
    RETURN NULL;
END
$$;
