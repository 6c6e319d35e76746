"""The quick way and the walk agree on whatever is made of the definitions of all of R4's types."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.fhir import validation
from chroniccare.fhir.definitions.table import resource_types, rules, type_of
from chroniccare.fhir.invariants import ELSEWHERE, RULES
from chroniccare.fhir.validation_issues import InvalidResourceError
from tests.checks.code import ROOT
from tests.fhir import generated
from tests.fhir.examples_records import EXAMPLES

TYPES = sorted(resource_types())


def walked(name: str, body: bytes) -> list[Any]:
    try:
        validation._walked(name, body, nested=True)
    except InvalidResourceError as error:
        return list(error.issues)
    return []


@given(st.sampled_from(TYPES), st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.3, 0.6]))
def test_what_the_definitions_allow_breaks_nothing_but_rules(
    name: str, seed: int, share: float
) -> None:
    body = orjson.dumps(generated.resource(name, generated.thrown(seed), share))
    found = walked(name, body)
    assert [each for each in found if each.code not in {"invariant", "too-costly"}] == []
    if validation._quickly(name, body, nested=True) is not None:
        assert found == []


@pytest.mark.parametrize("name", TYPES)
def test_the_least_that_a_type_asks_for_is_a_resource(name: str) -> None:
    least = generated.resource(name, generated.thrown(7), 0.0)
    body = orjson.dumps(least)
    found = walked(name, body)
    assert {each.code for each in found} <= {"invariant"}
    if validation._quickly(name, body, nested=True) is not None:
        assert found == []


def test_each_rule_that_is_checked_is_one_of_r4() -> None:
    assert set(RULES) | ELSEWHERE <= set(rules())
    assert not set(RULES) & ELSEWHERE


def reached(name: str, seen: set[str]) -> set[str]:
    """Return the keys of the rules that may be broken in a resource of a type."""
    if name in seen or name == "Resource":
        return set()
    seen.add(name)
    type_ = type_of(name)
    keys = {*type_.rules, *(key for keys in type_.element_rules.values() for key in keys)}
    for each in type_.properties.values():
        if not each.primitive:
            keys |= reached(each.type, seen)
    return keys


def test_every_rule_of_the_types_that_are_served_is_checked() -> None:
    seen: set[str] = set()
    keys = set().union(*(reached(name, seen) for name in EXAMPLES))
    missing = {key for key in keys - set(RULES) - ELSEWHERE if rules()[key].severity == "error"}
    assert missing == set()


def test_the_page_names_each_rule_that_is_checked_and_no_other() -> None:
    page = (ROOT / "docs" / "fhir-validation.md").read_text(encoding="utf-8")
    table = page.partition("Rules, by the keys")[2].partition("That is every rule")[0]
    named = set(re.findall(r"`([a-z]+-[0-9]+)`", table))
    assert named == {key.partition(":")[0] for key in {*RULES, *ELSEWHERE}}
