"""What of patients is sealed, for the loop that seals it anew."""

from chroniccare.patients import queries, queries_extras, queries_records
from chroniccare.tenancy.resealing import Sweep

SWEEPS = (
    Sweep(
        queries.CONTACT, queries.FIND_STALE_CONTACT, queries.ANY_STALE_CONTACT,
        queries.RESEAL_CONTACT, within="address",
    ),
    Sweep(
        queries.EMERGENCY, queries.FIND_STALE_EMERGENCY, queries.ANY_STALE_EMERGENCY,
        queries.RESEAL_EMERGENCY,
    ),
    Sweep(
        queries.INSURANCE, queries.FIND_STALE_INSURANCE, queries.ANY_STALE_INSURANCE,
        queries.RESEAL_INSURANCE,
    ),
    Sweep(
        queries_extras.EXTRA, queries_extras.FIND_STALE, queries_extras.ANY_STALE,
        queries_extras.RESEAL,
    ),
    Sweep(
        queries_records.RESOURCE, queries_records.FIND_STALE, queries_records.ANY_STALE,
        queries_records.RESEAL,
    ),
)  # fmt: skip
