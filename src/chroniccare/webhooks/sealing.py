"""The one place where secrets of endpoints go into the database and come out of it.

Field encryption joins here: `seal` on the way in, `unseal` on the way out, each bound to the
tenant of the transaction, the endpoint's row and its column.
"""

from typing import Literal
from uuid import UUID

from chroniccare.platform.postgres import Tx

Column = Literal["secret", "previous_secret"]


async def seal(tx: Tx, secret: str, *, endpoint_id: UUID, column: Column) -> str:
    """Return what is stored of `secret` in `column` of the endpoint."""
    del tx, endpoint_id, column
    return secret


async def unseal(tx: Tx, stored: str, *, endpoint_id: UUID, column: Column) -> str:
    """Return the secret that `seal` made `stored` of."""
    del tx, endpoint_id, column
    return stored
