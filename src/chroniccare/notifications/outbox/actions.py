"""Shows what the local outbox keeps, where messages go into it.

Texts of messages are answered nowhere else: a clinic whose messages reach patients reads none of
them, not even those that were kept while it was tried out.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core import paging
from chroniccare.core.errors import NotFound
from chroniccare.notifications.outbox import queries
from chroniccare.platform.postgres import Tx

ENTITY = "outbox_message"
_LISTING = "outbox"


class NoOutbox(NotFound):
    """No channel keeps its messages here."""

    code = "NO_OUTBOX"
    message = "Messages are sent to patients here; none is kept to look at."


async def listed(
    tx: Tx, filters: list[Any], *, cursor: str | None, limit: int
) -> paging.Page[queries.Kept]:
    """Return one page, the latest first; `filters` are patient and channel.

    Raises:
        NoOutbox: every channel has a provider.
    """
    _check(tx)
    after = paging.decode(cursor, _LISTING, filters, [datetime.fromisoformat, UUID])
    rows = await tx.all(queries.LIST, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.created_at, row.id]
    )


async def get(tx: Tx, message_id: UUID) -> queries.Kept:
    """Return one message.

    Raises:
        NoOutbox: every channel has a provider.
        NotFound: none with this id in the caller's tenant.
    """
    _check(tx)
    found = await tx.one(queries.GET, message_id)
    if found is None:
        raise NotFound("No such message.")
    return found


def _check(tx: Tx) -> None:
    """Refuse where no channel keeps its messages."""
    settings = tx.settings
    if "outbox" not in {settings.email_driver, settings.sms_driver, settings.push_driver}:
        raise NoOutbox
