"""What of contact points is sealed, for the loop that seals it anew."""

from chroniccare.tenancy import queries_addresses as queries
from chroniccare.tenancy.resealing import Sweep

SWEEPS = (
    Sweep(
        queries.POINT, queries.FIND_STALE_POINTS, queries.ANY_STALE_POINT, queries.RESEAL_POINTS,
        blind="address",
    ),
)  # fmt: skip
