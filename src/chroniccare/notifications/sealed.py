"""What of messages and their recipients is sealed, for the loop that seals it anew."""

from chroniccare.notifications import queries_due
from chroniccare.notifications import queries_outbox as outbox
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
    Sweep(
        queries_due.OUTBOX_RECIPIENT, outbox.CLEAR_RECIPIENTS, outbox.ANY_CLEAR_RECIPIENT,
        outbox.SEAL_RECIPIENTS,
    ),
    Sweep(
        queries_due.OUTBOX_SUBJECT, outbox.CLEAR_SUBJECTS, outbox.ANY_CLEAR_SUBJECT,
        outbox.SEAL_SUBJECTS,
    ),
    Sweep(
        queries_due.OUTBOX_BODY, outbox.CLEAR_BODIES, outbox.ANY_CLEAR_BODY, outbox.SEAL_BODIES
    ),
    Sweep(
        queries_due.OUTBOX_HTML, outbox.CLEAR_HTML, outbox.ANY_CLEAR_HTML, outbox.SEAL_HTML
    ),
    Sweep(
        queries_due.OUTBOX_CALENDAR, outbox.CLEAR_CALENDARS, outbox.ANY_CLEAR_CALENDAR,
        outbox.SEAL_CALENDARS,
    ),
)  # fmt: skip
