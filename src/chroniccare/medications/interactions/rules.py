"""What speaks against a drug, on paper: which ingredients meet, and how it is told."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chroniccare.medications.interactions.rules_kinds import Kind, Severity

_SALTS = frozenset({
    "acetate", "besylate", "bromide", "calcium", "carbonate", "citrate", "fumarate", "hcl",
    "hydrobromide", "hydrochloride", "magnesium", "maleate", "mesylate", "phosphate",
    "potassium", "sodium", "succinate", "sulfate", "tartrate",
})  # fmt: skip
_PARTS = re.compile(r"\s*[/+;]\s*")
_ORDER = ("contraindicated", "warning", "info")


@dataclass(frozen=True, slots=True)
class DrugClass:
    """Ingredients, by name, that a pair or an allergy is about."""

    key: str
    name: str
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sides, by the names of ingredients, that must not meet."""

    id: str
    a: frozenset[str]
    b: frozenset[str]
    text: str
    citation: str


@dataclass(frozen=True, slots=True)
class Table:
    """The built-in table; `rxcuis` by name, None where none is known for sure."""

    name: str
    version: str
    sha256: str
    rxcuis: dict[str, str | None]
    names: dict[str, str]
    classes: dict[str, DrugClass]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a drug: its ingredients by name with their RXCUIs, and whether that is all.

    Attributes:
        texts: what it is called, normalised.
    """

    ingredients: dict[str, str | None] = field(default_factory=dict)
    complete: bool = False
    texts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Concept:
    """What the site's subset of RxNorm says of an RXCUI: its ingredients, names by RXCUI."""

    ingredients: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against the drug.

    Attributes:
        ids: the medications, or the allergies, that it meets.
        pair: id of the pair; of a duplicate the ingredient's name.
        set: name of the set that says so.
    """

    kind: Kind
    severity: Severity
    ids: tuple[UUID, ...]
    pair: str | None
    text: str
    citation: str | None = None
    set: str | None = None

    @property
    def needs_override(self) -> bool:
        """Return whether it takes a reason to prescribe all the same."""
        return self.severity == "contraindicated" or self.kind == "duplicate"


def normal(text: str) -> str:
    """Return a drug's name as names are compared: one case, single spaces, no salt behind it."""
    words = text.casefold().split()
    while len(words) > 1 and words[-1] in _SALTS:
        words.pop()
    return " ".join(words)


def by_name(table: Table, text: str | None) -> Known:
    """Return what the table knows of a generic name, or of several with a slash between them.

    Nothing is guessed: a part is known when the table has exactly this name.
    """
    if not text:
        return Known()
    whole = " ".join(text.casefold().split())
    written = [whole] if whole in table.rxcuis else _PARTS.split(whole)
    parts = [part if part in table.rxcuis else normal(part) for part in written]
    found = {part: table.rxcuis[part] for part in parts if part in table.rxcuis}
    return Known(found, len(found) == len(parts), frozenset({normal(text)}))


def known(
    table: Table, concepts: Mapping[str, Concept], *, name: str, generic_name: str | None,
    rxcui: str | None,
) -> Known:  # fmt: skip
    """Return what is known of a drug by its RXCUI and by its name; both count.

    The site's subset of RxNorm goes before the table: it knows products, too.
    """
    coded: dict[str, str | None] = {}
    if rxcui is not None and rxcui in concepts:
        for one, called in concepts[rxcui].ingredients.items():
            told = normal(called)
            coded[told if told in table.rxcuis else table.names.get(one, told)] = one
    elif rxcui in table.names:
        coded[table.names[rxcui]] = rxcui
    named = [by_name(table, text) for text in (generic_name, name)]
    complete = bool(coded) or any(one.complete for one in named)
    return Known(
        {**named[1].ingredients, **named[0].ingredients, **coded}, complete,
        frozenset(normal(text) for text in (name, generic_name) if text),
    )  # fmt: skip


def interactions(table: Table, new: Known, others: Mapping[UUID, Known]) -> list[Finding]:
    """Return the pairs of the table that the new drug makes, in either direction."""
    found = []
    for pair in table.pairs:
        ids = tuple(
            id_ for id_, other in others.items() if _meets(pair, new.ingredients, other.ingredients)
        )
        if ids:
            found.append(
                Finding("interaction", "contraindicated", ids, pair.id, pair.text, pair.citation,
                        table.name)
            )  # fmt: skip
    return found


def _meets(pair: Pair, new: Iterable[str], old: Iterable[str]) -> bool:
    """Say whether two different ingredients stand on the two sides of the pair."""
    return any(
        one != other
        and ((one in pair.a and other in pair.b) or (one in pair.b and other in pair.a))
        for one in new
        for other in old
    )


def duplicates(new: Known, others: Mapping[UUID, Known]) -> list[Finding]:
    """Return the ingredients that the patient takes already."""
    found = []
    for name in sorted(new.ingredients):
        ids = tuple(id_ for id_, other in others.items() if name in other.ingredients)
        if ids:
            text = f"Another prescription has {name} already."
            found.append(Finding("duplicate", "warning", ids, name, text))
    return found


def allergens(
    table: Table, concepts: Mapping[str, Concept], *, substance: str, rxcui: str | None,
    drug_class: str | None,
) -> Known:  # fmt: skip
    """Return the ingredients that an allergy is against; its class, code and words all count."""
    itself = known(table, concepts, name=substance, generic_name=None, rxcui=rxcui)
    told = normal(substance)
    classes = [
        one for one in table.classes.values()
        if one.key == drug_class or told in {one.key.replace("_", " "), one.name.casefold()}
    ]  # fmt: skip
    members = {name: table.rxcuis[name] for one in classes for name in one.members}
    complete = itself.complete or bool(classes)
    return Known({**itself.ingredients, **members}, complete, itself.texts)


def allergy(new: Known, against: Known, *, id_: UUID, criticality: str) -> Finding | None:
    """Return what an allergy has against the drug; only a low criticality is a mere warning."""
    met = sorted(new.ingredients.keys() & against.ingredients.keys())
    if not met and not new.texts & against.texts:
        return None
    what = ", ".join(met) if met else "this drug"
    severity: Severity = "warning" if criticality == "low" else "contraindicated"
    text = f"The patient has an allergy or intolerance on record that covers {what}."
    return Finding("allergy", severity, (id_,), None, text)


def meetings(new: Known, others: Mapping[UUID, Known]) -> dict[tuple[str, str], list[UUID]]:
    """Return every pair of different RXCUIs that would meet, the smaller first, and where."""
    found: dict[tuple[str, str], list[UUID]] = {}
    for id_, other in others.items():
        for one in filter(None, new.ingredients.values()):
            for two in filter(None, other.ingredients.values()):
                if one != two:
                    found.setdefault((min(one, two), max(one, two)), []).append(id_)
    return found


def result(
    *, sets: list[dict[str, Any]], findings: list[Finding], not_checked: list[dict[str, Any]],
    off: bool = False,
) -> dict[str, object]:  # fmt: skip
    """Return the answer of a check: plain JSON, the worst first, always in the same order."""
    told = "findings" if findings else "not_checked" if not_checked else "ok"
    return {
        "status": "off" if off else told,
        "override_needed": any(one.needs_override for one in findings),
        "sets": sets,
        "findings": _ordered([_wire(one) for one in findings]),
        "not_checked": not_checked,
        "service": {"status": "off", "reason": None},
    }


def with_service(
    told: dict[str, Any], *, status: str, reason: str | None, findings: Iterable[Finding]
) -> dict[str, object]:
    """Return the answer of a check with what an external service found."""
    more = [_wire(one) for one in findings]
    return {
        **told,
        "status": "findings" if more else told["status"],
        "override_needed": told["override_needed"] or any(one["needs_override"] for one in more),
        "findings": _ordered([*told["findings"], *more]),
        "service": {"status": status, "reason": reason},
    }


def _ordered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        found, key=lambda one: (_ORDER.index(one["severity"]), one["kind"], one["pair"] or "")
    )


def _wire(one: Finding) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "severity": one.severity,
        "needs_override": one.needs_override,
        "with": [str(id_) for id_ in one.ids],
        "pair": one.pair,
        "text": one.text,
        "citation": one.citation,
        "set": one.set,
    }
