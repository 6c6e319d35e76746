"""The invariants of R4 as plain functions, by their keys; docs/fhir-validation.md lists them.

What looks at a whole resource with all that it contains (ref-1, dom-2 to dom-5) is in
`invariants_contained.py`; ele-1 is part of the walk.
"""

from chroniccare.fhir import (
    invariants_bundle,
    invariants_care,
    invariants_datatypes,
    invariants_forms,
)
from chroniccare.fhir.invariants_view import Rule

RULES: dict[str, Rule] = {
    **invariants_datatypes.RULES,
    **invariants_care.RULES,
    **invariants_forms.RULES,
    **invariants_bundle.RULES,
}
ELSEWHERE = frozenset({"dom-2", "dom-3", "dom-4", "dom-5", "ele-1", "ref-1", "sqty-1"})
"""Checked by the walk, by `invariants_contained.py` or by the structure itself."""
