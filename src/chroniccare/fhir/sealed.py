"""What of earlier versions is sealed, for the loop that seals it anew."""

from typing import Any

from chroniccare.fhir import queries_versions as queries
from chroniccare.platform.sealing import Column, Keyring
from chroniccare.tenancy.resealing import Sweep

_FIELDS = frozenset(queries.FIELDS)
_ADDRESSES = frozenset(queries.ADDRESSES)


def resealed(keys: Keyring, rows: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of a version, sealed under the latest key, each for its own place.

    Raises:
        Unreadable: something in it is not what was sealed for that place.
    """
    return {
        table: [
            {name: _value(keys, f"{table}.{name}", row, value) for name, value in row.items()}
            for row in records
        ]
        for table, records in rows.items()
    }


def _value(keys: Keyring, name: str, row: dict[str, Any], value: Any) -> Any:
    column = Column(name)
    if name in _FIELDS:
        return keys.sealed(column, row["id"], keys.unsealed(column, row["id"], value))
    if name in _ADDRESSES:
        if "sealed" in value:
            value = keys.unsealed(column, row["id"], value["sealed"])
        return keys.sealed_address(column, row["id"], value)
    return value


SWEEPS = (
    Sweep(queries.ROWS, queries.FIND_STALE, queries.ANY_STALE, queries.RESEAL, reseal=resealed),
)
"""They come last: a change copies what the others have not sealed anew yet."""
