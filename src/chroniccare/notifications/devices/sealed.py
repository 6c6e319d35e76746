"""What of devices is sealed, for the loop that seals it anew."""

from chroniccare.notifications.devices import queries
from chroniccare.tenancy.resealing import Sweep

SWEEPS = (
    Sweep(
        queries.TOKEN, queries.FIND_STALE_TOKENS, queries.ANY_STALE_TOKEN, queries.RESEAL_TOKENS,
        blind="column",
    ),
)  # fmt: skip
