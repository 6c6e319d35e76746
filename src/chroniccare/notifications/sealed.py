"""What of messages and their recipients is sealed, for the loop that seals it anew."""

from chroniccare.notifications import queries_due
from chroniccare.notifications import queries_sealed as queries
from chroniccare.notifications.devices import sealed as devices
from chroniccare.notifications.inbound import sealed as inbound
from chroniccare.notifications.preferences import sealed as preferences
from chroniccare.notifications.proxies import sealed as proxies
from chroniccare.tenancy.resealing import Sweep

SWEEPS = (
    *devices.SWEEPS,
    *inbound.SWEEPS,
    *preferences.SWEEPS,
    *proxies.SWEEPS,
    Sweep(
        queries_due.RECIPIENT, queries.FIND_STALE_RECIPIENTS, queries.ANY_STALE_RECIPIENT,
        queries.RESEAL_RECIPIENTS, blind="address",
    ),
    Sweep(
        queries.DATA, queries.FIND_STALE_DATA, queries.ANY_STALE_DATA, queries.RESEAL_DATA,
        clear=queries.CLEAR,
    ),
)  # fmt: skip
