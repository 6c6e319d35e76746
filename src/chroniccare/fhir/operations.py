"""What operations there are, and how their Parameters are read: every fault at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chroniccare.core.errors import FieldError, Invalid
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.validation import parse

_IHE = "https://profiles.ihe.net/ITI/Scheduling/OperationDefinition/appointment"
_R4 = "http://hl7.org/fhir/OperationDefinition"
_OURS = "urn:chroniccare:operation:appointment"
OPERATIONS: Mapping[str, Mapping[str, str]] = {
    "Appointment": {
        "find": f"{_IHE}-find",
        "hold": f"{_IHE}-hold",
        "book": f"{_IHE}-book",
        "reschedule": f"{_OURS}-reschedule",
        "cancel": f"{_OURS}-cancel",
    },
    "Patient": {
        "everything": f"{_R4}/Patient-everything",
        "match": f"{_R4}/Patient-match",
    },
}
"""By type, the names of operations and where each is defined; every type has `validate`."""


_WRITES = {"AppointmentResponse": ["create"], "Slot": ["create", "update"]}
"""Interactions of types whose writes have a router of their own."""


def completed(told: Resource) -> Resource:
    """Return what /fhir/metadata tells of a type, with what is done outside of its record."""
    kind = told["type"]
    known = {**OPERATIONS.get(kind, {}), "validate": f"{_R4}/Resource-validate"}
    codes = [{"code": code} for code in _WRITES.get(kind, ())]
    return {
        **told,
        "interaction": [*told["interaction"], *codes],
        "operation": [
            *told.get("operation", []),
            *({"name": name, "definition": known[name]} for name in known),
        ],
    }


def any_version(version: int) -> None:
    """Take a record at whatever version it is; what an operation has for a `Check`."""


@dataclass(frozen=True, slots=True)
class In:
    """One parameter.

    Attributes:
        types: what its value may be: `String` for valueString, or the type of a resource.
        most: how many there may be.
    """

    types: tuple[str, ...]
    most: int = 1
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What was given, by name; each value is a primitive, an element or a resource."""

    values: Mapping[str, list[Any]] = field(default_factory=dict)

    def one(self, name: str) -> Any:
        """Return the only value, or None."""
        return next(iter(self.values.get(name, ())), None)

    def all(self, name: str) -> Sequence[Any]:
        """Return every value, in order."""
        return self.values.get(name, [])


def read(body: bytes, known: Mapping[str, In], *, nested: bool = True) -> Given:
    """Return what a Parameters resource gives; no body at all gives nothing.

    Without `nested` the resources in it are taken as they are.

    Raises:
        Invalid: it is no valid Parameters, or something in it is not known, too much or missing.
    """
    resource = parse("Parameters", body, nested=nested) if body.strip() else {}
    wrong: list[FieldError] = []
    found: dict[str, list[Any]] = {}
    for number, one in enumerate(resource.get("parameter", [])):
        place = f"Parameters.parameter[{number}]"
        wanted = known.get(one["name"])
        if wanted is None:
            wrong.append(FieldError(place, "is not known of this operation", "not-supported"))
            continue
        values = [one[f"value{name}"] for name in wanted.types if f"value{name}" in one]
        if one.get("resource", {}).get("resourceType") in wanted.types or (
            "Resource" in wanted.types and "resource" in one
        ):
            values.append(one["resource"])
        if values:
            found.setdefault(one["name"], []).append(values[0])
        else:
            reason = f"{one['name']} must be a {' or a '.join(wanted.types)}"
            wrong.append(FieldError(place, reason, "value"))
    return checked(Given(found), known, wrong)


def checked(given: Given, known: Mapping[str, In], wrong: list[FieldError]) -> Given:
    """Return what was given, unless something is missing or there is too much of it.

    Raises:
        Invalid: it is, or there was something `wrong` before.
    """
    for name, wanted in known.items():
        count = len(given.all(name))
        if count > wanted.most:
            wrong.append(FieldError(name, f"at most {wanted.most}", "too-costly"))
        elif wanted.is_needed and not count:
            wrong.append(FieldError(name, "is needed", "required"))
    if wrong:
        raise Invalid(details=wrong)
    return given


def from_query(pairs: Sequence[tuple[str, str]], known: Mapping[str, In]) -> Given:
    """Return what a query gives; references are written as `Type/id`, codes as `system|code`.

    Raises:
        Invalid: something in it is not known, too much or missing.
    """
    wrong = [
        FieldError(name, "is not known of this operation", "not-supported")
        for name, _ in pairs
        if name not in known and name not in {"_format", "_pretty"}
    ]
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        if name in known and "\0" not in value:
            is_reference = "Reference" in known[name].types
            found.setdefault(name, []).append({"reference": value} if is_reference else value)
    return checked(Given(found), known, wrong)


def id_of(reference: Resource, kind: str, name: str) -> UUID:
    """Return the id in a reference to a record of `kind`; `name` is the parameter's.

    Raises:
        Invalid: it refers to something else.
    """
    before, _, text = reference.get("reference", "").rpartition("/")
    try:
        if before.rpartition("/")[2] in {kind, ""}:
            return UUID(text)
    except ValueError:
        pass
    raise Invalid.field(name, f"must refer to a {kind}, such as {kind}/(its id)", "value")
