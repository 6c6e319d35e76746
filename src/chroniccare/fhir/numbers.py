"""Numbers of other systems: kept sealed beside the record, found by a hash."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chroniccare.fhir.kind import Resource
from chroniccare.fhir.parameters import Asked, Numbers, local_or
from chroniccare.fhir.values import coded
from chroniccare.patients import queries_extras as extras
from chroniccare.platform.gathering import later
from chroniccare.platform.postgres import Tx
from chroniccare.platform.sealing import Column, Keyring, as_text

_NUMBER = Column("fhir_numbers.number")


def _index(keys: Keyring, text: str) -> str:
    """Return what a number is found by; without keys nothing is secret, but nothing is in clear."""
    found = as_text(keys.blind(_NUMBER, text))
    if found is not None:
        return found
    return hashlib.blake2b(text.encode(), key=keys.tenant_id.bytes, digest_size=32).hexdigest()


def _wanted(value: str) -> str:
    """Return what `system|number`, `system|`, `|number` and `number` are found by."""
    system, bar, number = coded(value)
    return f"in {system}|{number}" if bar else f"is {number}"


async def write(
    tx: Tx, record_id: UUID, identifiers: Iterable[Resource], *, is_new: bool = False
) -> None:
    """Write by what a record is found, whose extras are written already."""
    keys = await tx.keyring()
    texts: set[str] = set()
    for one in identifiers:
        if number := one.get("value"):
            system = one.get("system", "")
            texts |= {f"in {system}|{number}", f"in {system}|", f"is {number}"}
    if not is_new:
        await tx.run(extras.DELETE_NUMBERS, record_id)
    if texts:
        found = sorted(_index(keys, text) for text in texts)
        await later(tx, extras.PUT_NUMBERS, tx.caller.tenant_id, record_id, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNumbers(Numbers):
    """`identifier` of a type that keeps the numbers of other systems.

    Attributes:
        id: expression of the record's id.
        ours: SELECT of ids up to where the condition of our own systems goes. Joined by OR, the two
            would have PostgreSQL walk through every record of the clinic.
    """

    id: str
    ours: str

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; a number without a system is looked for in all."""
        found = Numbers.condition(self, asked, modifier, values)
        ours: set[Any] = {local_or(asked, one) for one in self.systems}
        others = [one for one in values if coded(one)[0] not in ours]
        if not others:
            return found
        hashes = asked.among([_index(asked.keys, _wanted(one)) for one in others], "text")
        kept = f"SELECT n.record_id FROM fhir_numbers n WHERE n.number_index = {hashes}"  # noqa: S608  a constant, and a placeholder
        if found == "false":
            return f"{self.id} IN ({kept})"
        return f"{self.id} = ANY(ARRAY({self.ours} {found} UNION ALL {kept}))"
