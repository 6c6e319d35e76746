"""What of replies is sealed, for the loop that seals it anew."""

from chroniccare.notifications.inbound import queries
from chroniccare.notifications.inbound import queries_sealed as sql
from chroniccare.tenancy.resealing import Sweep

SWEEPS = (
    Sweep(
        queries.SENDER, sql.FIND_STALE_SENDERS, sql.ANY_STALE_SENDER, sql.RESEAL_SENDERS,
        blind="address",
    ),
    Sweep(queries.BODY, sql.FIND_STALE_BODIES, sql.ANY_STALE_BODY, sql.RESEAL_BODIES),
)  # fmt: skip
