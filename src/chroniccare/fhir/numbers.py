"""Numbers of other systems: kept sealed beside the record, found by a hash."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from chroniccare.core.errors import Invalid
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.parameters import Asked, Numbers, any_of, local_or
from chroniccare.fhir.values import coded, typed
from chroniccare.platform.sealing import Column, Keyring, as_text

_NUMBER = Column("fhir_numbers.number")


def hashed(keys: Keyring, text: str) -> str:
    """Return what a number is found by; without keys nothing is secret, but nothing is in clear."""
    found = as_text(keys.blind(_NUMBER, text))
    if found is not None:
        return found
    return hashlib.blake2b(text.encode(), key=keys.tenant_id.bytes, digest_size=32).hexdigest()


def _wanted(value: str) -> str:
    """Return what `system|number`, `system|`, `|number` and `number` are found by."""
    system, bar, number = coded(value)
    return f"in {system}|{number}" if bar else f"is {number}"


def texts_of(identifiers: Iterable[Resource]) -> set[str]:
    """Return by what a record with these numbers is found."""
    texts: set[str] = set()
    for one in identifiers:
        if number := one.get("value"):
            system = one.get("system", "")
            texts |= {f"in {system}|{number}", f"in {system}|", f"is {number}"}
            for each in one.get("type", {}).get("coding", []):
                if {"system", "code"} <= each.keys():
                    texts.add(f"of {each['system']}|{each['code']}|{number}")
    return texts


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNumbers(Numbers):
    """`identifier` of a type that keeps the numbers of other systems.

    Attributes:
        id: expression of the record's id.
        ours: SELECT of ids up to where the condition of our own systems goes. Joined by OR, the two
            would have PostgreSQL walk through every record of the clinic.
        types: by type, `system|code`, the condition of the number that the record tells with it;
            `{}` is where `= value` goes.
    """

    id: str
    ours: str
    types: Mapping[str, str] = field(default_factory=dict)

    modifiers: ClassVar[tuple[str, ...]] = ("of-type",)

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; a number without a system is looked for in all.

        Raises:
            Invalid: a number with its type has not three parts.
        """
        if modifier == "of-type":
            return any_of([self._typed(asked, one) for one in values])
        found = Numbers.condition(self, asked, modifier, values)
        ours: set[Any] = {local_or(asked, one) for one in self.systems}
        others = [one for one in values if coded(one)[0] not in ours]
        return self._either(asked, found, [_wanted(one) for one in others]) if others else found

    def _either(self, asked: Asked, found: str, texts: list[str]) -> str:
        """Return the condition that our own number meets `found`, or another one is kept."""
        hashes = asked.among([hashed(asked.keys, one) for one in texts], "text")
        kept = f"SELECT n.record_id FROM fhir_numbers n WHERE n.number_index = {hashes}"  # noqa: S608  a constant, and a placeholder
        if found == "false":
            return f"{self.id} IN ({kept})"
        return f"{self.id} = ANY(ARRAY({self.ours} {found} UNION ALL {kept}))"

    def _typed(self, asked: Asked, value: str) -> str:
        found = typed(value)
        if found is None:
            raise Invalid.field(self.name, "must be like system|code|number", "value")
        kind, number = found
        own = "false"
        if kind in self.types:
            own = self.types[kind].format(asked.among([number], "text"))
        return self._either(asked, own, [f"of {kind}|{number}"])
