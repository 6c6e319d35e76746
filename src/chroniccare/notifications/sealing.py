"""What messages are made from is sealed, apart from what statements and plans compare."""

from collections.abc import Sequence
from typing import Any

from chroniccare.notifications.queries_sealed import CLEAR, DATA
from chroniccare.platform.postgres import Tx


async def sealed(tx: Tx, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of `notifications` with their template data sealed."""
    keys = await tx.keyring()
    return [
        {
            **row,
            "template_data": keys.sealed_rest(
                DATA, row["dedupe_key"], row["template_data"], clear=CLEAR
            ),
        }
        for row in rows
    ]
