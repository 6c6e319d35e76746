"""Telephone numbers and email addresses: sealed where they are kept, found by a hash (ADR 0035).

A row has the address, sealed or from before the tenant had keys, and beside it what it is found
by. Statements that look for an address compare `core.contact.found_by` with `either`.
"""

from collections.abc import Iterable
from typing import Any

from chroniccare.core import contact
from chroniccare.core.fields import ContactInfo
from chroniccare.platform.postgres import Tx
from chroniccare.platform.sealing import Column, Keyring, as_text
from chroniccare.tenancy import queries_addresses as queries

_ADDRESS = Column("address")
"""One hash for an address in every table: it is made once for a message, and rows of different
tables can be compared."""


def index(keys: Keyring, address: str) -> str | None:
    """Return what a row with this address is found by; None: by the address itself."""
    return as_text(keys.blind(_ADDRESS, address))


def either(keys: Keyring, addresses: Iterable[str]) -> list[str]:
    """Return all that rows with these addresses are found by, also rows that are in clear yet."""
    given = list(addresses)
    found = (index(keys, one) for one in given)
    return given + [one for one in found if one is not None]


async def points(tx: Tx, info: ContactInfo) -> list[dict[str, Any]]:
    """Return the contact points as rows with new ids, sealed."""
    keys = await tx.keyring()
    return [
        {
            **row,
            "value": keys.sealed(queries.POINT, row["id"], row["value"]),
            "value_index": index(keys, row["value"]),
        }
        for row in contact.rows(info)
    ]
