-- Which state of a message may follow which (docs/notifications.md has the picture). Every change of
-- a state writes its row of the history in the same statement, so a change that has no place here
-- fails as a whole, whichever statement it is and whoever made it. What is proved is never taken
-- back, what is on the wire is not given up, and what was superseded stays so.
-- NOT VALID: new rows are checked, old ones are what happened.
ALTER TABLE notification_history ADD CONSTRAINT notification_history_legal_change CHECK (
    CASE from_status
        -- It waits: claimed, given up, or settled by what is heard of an earlier attempt.
        WHEN 'pending' THEN to_status = ANY ('{queued,held,suppressed,expired,cancelled,superseded,accepted,delivered,unconfirmed,failed}')
        WHEN 'held' THEN to_status = ANY ('{queued,pending,suppressed,expired,cancelled,superseded,accepted,delivered,unconfirmed,failed}')
        WHEN 'queued' THEN to_status = ANY ('{sending,pending,held,suppressed,expired,cancelled,superseded,accepted,delivered,unconfirmed,failed}')
        -- It is on the wire, or was.
        WHEN 'sending' THEN to_status = ANY ('{pending,unknown,accepted,delivered,unconfirmed,failed}')
        WHEN 'unknown' THEN to_status = ANY ('{pending,needs_staff,accepted,delivered,unconfirmed,failed}')
        WHEN 'needs_staff' THEN to_status = ANY ('{pending,accepted,delivered,unconfirmed,failed,cancelled}')
        -- A provider has it. It goes to the next channel only when it is told that it did not arrive.
        WHEN 'accepted' THEN to_status = ANY ('{delivered,unconfirmed,pending,failed}')
        WHEN 'unconfirmed' THEN to_status = 'delivered'
        WHEN 'delivered' THEN false
        -- Nobody was reached: staff replay it, or the file is read again.
        WHEN 'failed' THEN to_status = ANY ('{pending,queued,suppressed,delivered}')
        WHEN 'suppressed' THEN to_status = ANY ('{pending,queued,failed}')
        WHEN 'expired' THEN to_status = 'pending'
        WHEN 'undelivered' THEN to_status = 'pending'
        -- It is not wanted. A visit whose cancelling is undone wants its messages again.
        WHEN 'cancelled' THEN to_status = 'pending'
        WHEN 'superseded' THEN false
        ELSE from_status IS NULL
    END
) NOT VALID;
