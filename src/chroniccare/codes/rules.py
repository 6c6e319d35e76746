"""Codes on paper: their form, and what a drug of RxNorm contains."""

import re
from collections.abc import Iterable, Iterator, Mapping

from chroniccare.codes.rules_forms import ICD10_PATTERN, RXCUI_PATTERN

_ICD10 = re.compile(ICD10_PATTERN)
_RXCUI = re.compile(RXCUI_PATTERN)
_CATEGORY = 3

INGREDIENT = "IN"
"""Term type of an ingredient; what is prescribed is made of these."""
TERM_TYPES = frozenset({
    "IN", "PIN", "MIN", "BN", "SCDC", "SCDF", "SCDG", "SCD", "SBDC", "SBDF", "SBDG", "SBD",
    "GPCK", "BPCK",
})  # fmt: skip
"""Kinds of concepts that are kept: ingredients, brands, drugs and packs."""
# From a product to what it is made of; the second concept of a row has this relation to the first.
DOWNWARD = frozenset({
    "has_ingredient", "has_ingredients", "has_precise_ingredient", "consists_of", "tradename_of",
    "form_of", "has_part", "contains", "isa",
})  # fmt: skip


def icd10(text: str) -> str | None:
    """Return the code in `text` as it is written, `e119` as E11.9; None if it has no such form."""
    bare = text.strip().upper().replace(".", "", 1)
    code = bare[:_CATEGORY] + ("." + bare[_CATEGORY:] if len(bare) > _CATEGORY else "")
    return code if _ICD10.fullmatch(code) else None


def is_rxcui(value: object) -> bool:
    """Return whether `value` is text with the form of an id of RxNorm."""
    return isinstance(value, str) and _RXCUI.fullmatch(value) is not None


def dotted(prefix: str) -> str:
    """Return the beginning of a code as codes are written: E119 as E11.9."""
    bare = prefix.upper().replace(".", "")
    if len(bare) > _CATEGORY:
        return f"{bare[:_CATEGORY]}.{bare[_CATEGORY:]}"
    return bare + ("." if prefix.endswith(".") and len(bare) == _CATEGORY else "")


def contents(
    concepts: Mapping[int, str], edges: Mapping[int, Iterable[int]]
) -> Iterator[tuple[int, int]]:
    """Yield each concept that is no ingredient with each ingredient that it is made of.

    Args:
        concepts: term type by id.
        edges: for each concept those it is made of, one step down.
    """
    for start, kind in concepts.items():
        if kind == INGREDIENT:
            continue
        seen, waiting = {start}, [start]
        while waiting:
            for below in edges.get(waiting.pop(), ()):
                if below not in seen:
                    seen.add(below)
                    if concepts.get(below) == INGREDIENT:
                        yield start, below
                    else:
                        waiting.append(below)
