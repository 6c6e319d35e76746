"""What of the opt-out list is sealed, for the loop that seals it anew."""

from chroniccare.notifications.preferences import queries
from chroniccare.tenancy.resealing import Sweep

SWEEPS = (
    Sweep(
        queries.BARRED, queries.FIND_STALE, queries.ANY_STALE, queries.RESEAL, blind="address",
    ),
)  # fmt: skip
