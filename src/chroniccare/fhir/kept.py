"""Parameters of what is kept beside a record: tags, profiles, and elements without a column.

It is sealed there, and found by a hash, as the numbers of other systems are. An element that the
record tells itself, in any state, cannot be one of these: what is kept of it may not be told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from chroniccare.fhir.numbers import hashed, texts_of
from chroniccare.fhir.parameters import Asked, Parameter
from chroniccare.fhir.values import coded, whole
from chroniccare.patients import queries_extras as extras
from chroniccare.platform.gathering import later
from chroniccare.platform.postgres import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Parameter):
    """One such parameter.

    Attributes:
        id: expression of the record's id; None: nothing is kept beside records of the type.
        element: of the resource.
        member: of the element, if not the element itself.
    """

    id: str | None
    element: str
    member: str | None = None

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; `:not` is also met by records without a value."""
        if self.id is None:
            return "true" if modifier == "not" else "false"
        wanted = [f"{self.name} {self.wanted(asked.base, modifier, one)}" for one in values]
        hashes = asked.among([hashed(asked.keys, one) for one in wanted], "text")
        if modifier == "not":  # by the record: NOT IN would gather those of the whole clinic
            return (
                f"NOT EXISTS (SELECT FROM fhir_numbers n WHERE n.record_id = {self.id}"
                f" AND n.number_index = {hashes})"
            )
        return (
            f"{self.id} IN (SELECT n.record_id FROM fhir_numbers n"  # noqa: S608  a constant, and a placeholder
            f" WHERE n.number_index = {hashes})"
        )

    def wanted(self, base: str, modifier: str | None, value: str) -> str:
        """Return what a value that is looked for is found by."""
        raise NotImplementedError

    def texts(self, base: str, one: Any) -> Iterable[str]:
        """Yield what one value of the element is found by."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptToken(Kept):
    """Codes."""

    type: ClassVar[str] = "token"
    modifiers: ClassVar[tuple[str, ...]] = ("not",)

    def wanted(self, base: str, modifier: str | None, value: str) -> str:
        """Return what `system|code`, `system|`, `|code` and `code` are found by."""
        del base, modifier
        system, bar, code = coded(value)
        return f"in {system}|{code}" if bar else f"is {code}"

    def texts(self, base: str, one: Any) -> Iterable[str]:
        """Yield what a Coding, or each of a CodeableConcept, is found by."""
        del base
        for coding in one.get("coding", [one]):
            if code := coding.get("code"):
                system = coding.get("system", "")
                yield from (f"in {system}|{code}", f"in {system}|", f"is {code}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUri(Kept):
    """Addresses, compared as a whole."""

    type: ClassVar[str] = "uri"

    def wanted(self, base: str, modifier: str | None, value: str) -> str:
        """Return what an address is found by."""
        del base, modifier
        return f"at {whole(value)}"

    def texts(self, base: str, one: Any) -> Iterable[str]:
        """Yield the same of one."""
        del base
        yield f"at {one}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReference(Kept):
    """References to one type; they are not followed by chains and includes.

    Attributes:
        target: name of the type.
    """

    target: tuple[str, ...]

    type: ClassVar[str] = "reference"

    def fault(self, values: list[str]) -> str | None:
        """Return that a value names a type that is none of the targets."""
        kinds = {one.rpartition("/")[0].rpartition("/")[2] for one in values} - {""}
        return None if kinds <= set(self.target) else f"refers to {' or '.join(self.target)}"

    def wanted(self, base: str, modifier: str | None, value: str) -> str:
        """Return what a reference, or an id alone, is found by."""
        del modifier
        return f"to {value.removeprefix(base + '/')}"

    def texts(self, base: str, one: Any) -> Iterable[str]:
        """Yield what a Reference is found by; another server's by its whole address."""
        if led := one.get("reference"):
            led = led.removeprefix(base + "/").partition("/_history/")[0]
            yield f"to {led}"
            if "://" not in led:
                yield f"to {led.rpartition('/')[2]}"


def of_meta(id_: str | None) -> tuple[Parameter, ...]:
    """Return `_tag`, `_security` and `_profile` of a type."""
    how: dict[str, Any] = {"id": id_, "element": "meta"}
    return (
        KeptToken(name="_tag", member="tag", null=null(id_, "_tag"), **how),
        KeptToken(name="_security", member="security", null=null(id_, "_security"), **how),
        KeptUri(name="_profile", member="profile", null=null(id_, "_profile"), **how),
    )


def null(id_: str | None, name: str) -> str:
    """Return the condition that nothing is kept of a parameter."""
    if id_ is None:
        return "true"
    return (
        f"NOT EXISTS (SELECT FROM fhir_numbers n WHERE n.record_id = {id_}"
        f" AND n.parameter = '{name}')"
    )


async def write(
    tx: Tx, record_id: UUID, left: Mapping[str, Any], parameters: Iterable[Parameter], *,
    base: str, is_new: bool,
) -> None:  # fmt: skip
    """Write by what a record is found, whose extras, `left`, are written already."""
    keys = await tx.keyring()
    found = dict.fromkeys(texts_of(left.get("identifier", {}).get("said", ())), "identifier")
    for one in parameters:
        if isinstance(one, Kept) and one.element in left:
            said = left[one.element]["said"]
            said = said.get(one.member, []) if one.member else said
            for value in said if isinstance(said, list) else [said]:
                found |= {f"{one.name} {text}": one.name for text in one.texts(base, value)}
    if not is_new:
        await tx.run(extras.DELETE_NUMBERS, record_id)
    if found:
        rows = sorted((hashed(keys, text), name) for text, name in found.items())
        indexes, names = [index for index, _ in rows], [name for _, name in rows]
        await later(tx, extras.PUT_NUMBERS, tx.caller.tenant_id, record_id, indexes, names)
