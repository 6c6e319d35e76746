"""fhir.resources, which shares no line with ours, accepts what ours accepts.

It knows R4B, in which these types are as in R4. It checks no bindings, few rules and no lengths, so
the other way round would say nothing.
"""

import importlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.fhir.validation import parse
from chroniccare.fhir.validation_issues import InvalidResourceError
from tests.fhir import generated
from tests.fhir.examples_records import EXAMPLES

GAPS = (b'"valueMeta"', b'"_valueDate"')
"""Members that R4 has and the judge does not know everywhere."""


def judge(name: str, resource: Any) -> None:
    """Raise pydantic's ValidationError, a ValueError, if fhir.resources refuses."""
    module = importlib.import_module(f"fhir.resources.R4B.{name.lower()}")
    getattr(module, name).model_validate(resource)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_judge_accepts_every_example(name: str) -> None:
    judge(name, EXAMPLES[name])


@given(
    st.sampled_from(sorted(EXAMPLES)),
    st.integers(0, 2**32),
    st.sampled_from([0.05, 0.1, 0.3]),
)
def test_the_judge_accepts_what_ours_accepts(name: str, seed: int, share: float) -> None:
    made = generated.resource(name, generated.thrown(seed), share)
    body = orjson.dumps(made)
    if any(gap in body for gap in GAPS):
        return
    try:
        parse(name, body)
    except InvalidResourceError:
        return
    judge(name, made)
