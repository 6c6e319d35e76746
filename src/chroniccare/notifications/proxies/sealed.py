"""What of related persons is sealed, for the loop that seals it anew."""

from chroniccare.notifications.proxies import queries
from chroniccare.tenancy.resealing import Sweep

SWEEPS = (
    Sweep(
        queries.CONTACT, queries.FIND_STALE_CONTACT, queries.ANY_STALE_CONTACT,
        queries.RESEAL_CONTACT, within="address",
    ),
)  # fmt: skip
