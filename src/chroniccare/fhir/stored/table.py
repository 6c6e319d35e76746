"""Which types are stored as documents, and what each is searched by: read from a file once.

`tools/fhir_searches.py` writes `data/r4_searches.json` out of HL7's definitions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from chroniccare.fhir.definitions.table import type_of

_FILE = Path(__file__).parents[1] / "data" / "r4_searches.json"
CLINICS = frozenset({"Endpoint", "Medication", "Questionnaire"})
"""Types that are nobody's: reads of them are not kept, and their texts are searched."""
_TEXTS = {*CLINICS, "Device"}
"""Types whose texts hold nothing of a patient. Texts of others are sealed, and so not searched."""
_LEFT_OUT = frozenset({"DocumentReference.location"})
"""An address of a document may say of whom it is."""
MAY_NAME_MANY = frozenset({"Device", "Group", "List", "Task"})
"""Types that name patients and may be of none, or of several."""
HAPPENED = {
    "AllergyIntolerance": "date",
    "CarePlan": "date",
    "Condition": "recorded-date",
    "DiagnosticReport": "date",
    "DocumentReference": "date",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "FamilyMemberHistory": "date",
    "Flag": "date",
    "Goal": "start-date",
    "Immunization": "date",
    "List": "date",
    "Media": "created",
    "Observation": "date",
    "Procedure": "date",
    "Questionnaire": "date",
    "QuestionnaireResponse": "authored",
    "ServiceRequest": "authored",
    "Specimen": "collected",
    "Task": "authored-on",
}
"""By type the parameter that it is sorted by in time: a column of its own holds the earliest."""
_LEAVES = {
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "quantity": {"Age", "Duration", "Money", "Quantity", "SimpleQuantity"},
    "reference": {"Reference", "canonical", "uri"},
    "string": {"string", "markdown", "HumanName", "Address"},
    "token": {"CodeableConcept", "Coding", "Identifier", "boolean", "code", "id",
              "string", "uri"},
    "uri": {"canonical", "oid", "uri", "url", "uuid"},
}  # fmt: skip
_BESIDE = {"value:Quantity": "code", "component.value:Quantity": "code"}
"""Amounts of an Observation, and the code beside each, which composites compare with it."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One way from a resource to values.

    Attributes:
        key: by which its rows of the index are found: `Observation.component.code`.
        members: names of JSON, from the resource to the value.
        type: of the value.
        beside: member that stands beside an amount and says of what it is.
    """

    key: str
    members: tuple[str, ...]
    type: str
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """A search parameter of a type.

    Attributes:
        targets: types that a reference may lead to; empty for any.
    """

    name: str
    kind: str
    leaves: tuple[Leaf, ...]
    targets: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Return under which keys its rows are."""
        return tuple(dict.fromkeys(leaf.key for leaf in self.leaves))


COMPOSITES = ("code-value-quantity", "component-code-value-quantity", "combo-code-value-quantity")


@cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = orjson.loads(_FILE.read_bytes())
    return tables


def in_summary(name: str) -> frozenset[str]:
    """Return the elements that a type's summary has, as they stand in JSON."""
    listed = set(_tables()[name]["summary"])
    return frozenset(one.name for one in type_of(name).properties.values() if one.element in listed)


@cache
def searches() -> dict[str, dict[str, Search]]:
    """Return the parameters of each stored type by name."""
    found = {
        name: {each: made for each, line in entry["parameters"].items()
               if (made := _search(name, each, *line)) is not None}
        for name, entry in _tables().items()
    }  # fmt: skip
    for each in COMPOSITES:
        amount = found["Observation"][each.replace("code-", "", 1)]
        found["Observation"][each] = Search(each, "composite", amount.leaves)
    for name, type_ in (("_profile", "canonical"), ("_security", "Coding"), ("_tag", "Coding")):
        kind = "uri" if type_ == "canonical" else "token"
        member = name.removeprefix("_")
        for each, parameters in found.items():
            leaf = Leaf(f"{each}.meta.{member}", ("meta", member), type_)
            parameters[name] = Search(name, kind, (leaf,))
    return found


def _search(
    type_name: str, name: str, kind: str, paths: list[str], targets: list[str]
) -> Search | None:
    if f"{type_name}.{name}" in _LEFT_OUT or (kind == "string" and type_name not in _TEXTS):
        return None
    leaves = tuple(leaf for path in paths for leaf in _leaves(type_name, path, kind))
    return Search(name, kind, leaves, tuple(targets)) if leaves else None


def _leaves(type_name: str, path: str, kind: str) -> Iterator[Leaf]:
    bare, _, only = path.partition(":")
    key = f"{type_name}.{bare if kind == 'date' else path}"
    for members, type_ in _ways(type_name, tuple(bare.split("."))):
        if type_ in _LEAVES[kind] and only in {"", type_}:
            yield Leaf(key, members, type_, _BESIDE.get(path))


def _ways(type_name: str, steps: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the members that lead along the elements `steps`, with the type at the end."""
    for one in type_of(type_name).properties.values():
        if one.element != steps[0] or one.name.startswith("_"):
            continue
        if len(steps) == 1:
            yield (one.name,), one.type
        else:
            for members, type_ in _ways(one.type, steps[1:]):
                yield (one.name, *members), type_


def patient_path(type_name: str) -> tuple[str, ...] | None:
    """Return the members that lead to whose a resource of the type is; None: nobody's."""
    search = searches()[type_name].get("patient")
    return None if search is None else search.leaves[0].members
