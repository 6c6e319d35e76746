"""SQL of what earlier attempts `a` say of a message `n`."""

LEFT = (
    "EXISTS (SELECT FROM notification_attempts u WHERE u.tenant_id = a.tenant_id"
    " AND u.notification_id = a.notification_id AND ((u.number > a.number AND (u.status IN"
    " ('rejected', 'undelivered') OR (u.channel <> a.channel AND u.status <> 'prepared')))"
    " OR (u.number >= a.number AND u.id = (n.delivery_details #>> '{moved_on,attempt}')::uuid)))"
)
"""Whether `n` has gone on from the attempt for good.

It was not delivered in time, or one that followed was refused, or went by another channel: what
follows from that must go out.
"""
TAKEN_ON = (
    "(SELECT a.channel FROM notification_attempts a WHERE a.tenant_id = n.tenant_id"
    " AND a.notification_id = n.id AND a.number < l.number AND a.status = 'accepted'"
    f" AND NOT {LEFT} ORDER BY a.number DESC LIMIT 1)"
)
"""The channel of an attempt before the last one `l` that a provider has after all."""
