"""The one place where secrets of endpoints go into the database and come out of it.

They are sealed with the tenant's own key, each bound to the endpoint's row and its column.
"""

import logging
from typing import Literal
from uuid import UUID

from chroniccare.platform import masterkey, sealing
from chroniccare.platform.opening import opened
from chroniccare.platform.postgres import Tx

log = logging.getLogger(__name__)

Column = Literal["secret", "previous_secret"]
_COLUMNS: dict[Column, sealing.Column] = {
    "secret": sealing.Column("webhook_endpoints.secret", "record"),
    "previous_secret": sealing.Column("webhook_endpoints.previous_secret", "record"),
}


async def seal(tx: Tx, secret: str, *, endpoint_id: UUID, column: Column) -> str:
    """Return what is stored of `secret` in `column` of the endpoint."""
    stored: str = (await tx.keyring()).sealed(_COLUMNS[column], endpoint_id, secret)
    return stored


async def unseal(tx: Tx, stored: str, *, endpoint_id: UUID, column: Column) -> str:
    """Return the secret that `seal` made `stored` of.

    Raises:
        Unreadable: it is of another place, altered, or its key is destroyed.
    """
    place = _COLUMNS[column]
    secret: str = await opened(tx, lambda keyring: keyring.unsealed(place, endpoint_id, stored))
    return secret


async def live(tx: Tx, secret: str, previous: str | None, *, endpoint_id: UUID) -> list[str] | None:
    """Return the secrets that sign, the newest first; None if one of them cannot be opened."""
    try:
        found = [await unseal(tx, secret, endpoint_id=endpoint_id, column="secret")]
        if previous is not None:
            place: Column = "previous_secret"
            found.append(await unseal(tx, previous, endpoint_id=endpoint_id, column=place))
    except (sealing.Unreadable, masterkey.CannotUnwrap) as error:
        log.error(  # noqa: TRY400  what it is stands in the line; there is nothing to trace
            "webhook secret cannot be opened",
            extra={"webhook_id": str(endpoint_id), "kind": type(error).__name__},
        )
        return None
    return found
