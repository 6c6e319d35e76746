"""What of accounts is sealed, for the loop that seals it anew."""

from chroniccare.staff.accounts import queries
from chroniccare.tenancy.resealing import Sweep

SWEEPS = (Sweep(queries.SECRET, queries.FIND_STALE, queries.ANY_STALE, queries.RESEAL),)
