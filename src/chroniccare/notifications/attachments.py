"""What goes with an email: an entry for the patient's calendar, and how such emails are ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.utils import parseaddr
from uuid import UUID

from chroniccare.notifications import ics, queries_calendar, queries_due, unsubscribe_page
from chroniccare.notifications.attachment import Method
from chroniccare.notifications.rules_categories import CATEGORIES, category_of
from chroniccare.notifications.templates.rules import language_of
from chroniccare.notifications.templates.text import Text
from chroniccare.platform.postgres import Tx
from chroniccare.settings import Settings

METHODS: dict[str, Method] = {
    "appointment_confirmation": "PUBLISH",
    "appointment_rescheduled": "PUBLISH",
    "appointment_cancelled": "CANCEL",
}
"""The kinds of messages that change a calendar; a reminder has nothing new to say."""


@dataclass(frozen=True, slots=True)
class Attachments:
    """The visits of a batch of messages, how the clinic wants them shown, and whose it is."""

    entries: dict[UUID, queries_calendar.Entry]
    details: bool
    organizer: ics.Organizer
    tenant_id: UUID
    settings: Settings


async def read(tx: Tx, rows: Sequence[queries_due.Due]) -> Attachments:
    """Return what can be attached to the messages in `rows`."""
    wanted = {
        due.appointment_id
        for due in rows
        if due.appointment_id is not None
        and due.notification_type in METHODS
        and "email" in due.channel_plan
    }
    name, address = parseaddr(tx.settings.email_from)
    entries = await tx.all(queries_calendar.VISITS, list(wanted)) if wanted else []
    shown = bool(wanted) and await tx.value(queries_calendar.DETAILS)
    return Attachments(
        {entry.id: entry for entry in entries},
        shown is True,
        ics.Organizer(name or address, address),
        tx.caller.tenant_id,
        tx.settings,
    )


def attach(text: Text, due: queries_due.Due, found: Attachments) -> Text:
    """Return the text of an email with its calendar entry, if it is about a visit of ours.

    One of a kind that its recipient may end says where.
    """
    if due.patient_id is not None and category_of(due.notification_type) in CATEGORIES:
        leave = unsubscribe_page.link(found.settings, found.tenant_id, due.id)
        text = replace(text, unsubscribe=leave)
    method = METHODS.get(due.notification_type)
    entry = found.entries.get(due.appointment_id) if due.appointment_id else None
    if method is None or entry is None or (method == "CANCEL") != (entry.status == "cancelled"):
        return text
    made = ics.attachment(
        entry,
        method=method,
        language=language_of(due.language),
        details=found.details,
        organizer=found.organizer,
    )
    return replace(text, calendar=made)
