"""The judges accept what ours accepts, and are no yes-men.

The other way round would say little: neither knows the rules, and fhir.resources no codes.
"""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.fhir.validation import parse
from chroniccare.fhir.validation_issues import InvalidResourceError
from tests.fhir import generated, judges
from tests.fhir.examples import XHTML
from tests.fhir.examples_records import EXAMPLES

MADE = (
    st.sampled_from(sorted(EXAMPLES)),
    st.integers(0, 2**32),
    st.sampled_from([0.05, 0.1, 0.3]),
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_judges_accept_every_example(name: str) -> None:
    judges.judge(orjson.dumps(EXAMPLES[name]))


@given(*MADE)
def test_the_judges_accept_what_ours_accepts(name: str, seed: int, share: float) -> None:
    body = orjson.dumps(generated.resource(name, generated.thrown(seed), share))
    try:
        parse(name, body)
    except InvalidResourceError:
        return
    judges.judge(body)


@pytest.mark.parametrize(
    ("name", "change", "place"),
    [
        ("Patient", {"gender": "F"}, "gender"),
        ("Patient", {"birthDate": "03/08/1961"}, "birthDate"),
        ("Patient", {"nonsense": 1}, ""),
        ("Appointment", {"start": "2026-03-08T09:00"}, "start"),
        ("Appointment", {"participant": []}, None),
        ("Slot", {"schedule": {"reference": 1}}, "schedule.reference"),
        ("Observation", {"status": "done"}, "status"),
    ],
)
def test_the_schema_refuses_what_is_wrong(
    name: str, change: dict[str, Any], place: str | None
) -> None:
    found = judges.by_schema({**EXAMPLES[name], **change})
    if place is None:  # it asks for no least number: that much is left to ours
        assert found == []
    else:
        assert [one.partition(":")[0] for one in found] == [place]


def test_a_narratives_xhtml_takes_no_extension() -> None:
    text = {"status": "generated", "div": f'<div xmlns="{XHTML}">x</div>', "_div": {"id": "x"}}
    body = {**EXAMPLES["Patient"], "text": text}
    assert judges.by_schema(body)
    with pytest.raises(InvalidResourceError) as refused:
        parse("Patient", orjson.dumps(body))
    assert [one.expression for one in refused.value.issues] == ["Patient.text._div"]


def test_the_models_refuse_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="birthDate"):
        judges.by_models({**EXAMPLES["Patient"], "birthDate": "03/08/1961"})
