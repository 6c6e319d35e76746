"""The envelope is valid JSON whatever it holds."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core import wire
from chroniccare.core.errors import FieldError, Invalid, NotFound, Problem

plain = st.text(st.characters(exclude_categories=["Cs"]))
documents: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | plain | st.floats(allow_nan=False),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(plain, below, max_size=4),
    max_leaves=20,
)


@dataclass(frozen=True, slots=True)
class Row:
    id: UUID
    day: date
    at: datetime
    note: str | None


@given(documents)
def test_a_success_carries_its_data_unchanged(data: Any) -> None:
    body = json.loads(wire.success(wire.dumps(data), "request-1"))
    finite = json.loads(wire.dumps(data))  # infinities become null
    assert body["data"] == finite
    assert list(body) == ["success", "data", "meta"]
    assert body["success"] is True
    assert body["meta"]["requestId"] == "request-1"
    moment = datetime.fromisoformat(body["meta"]["timestamp"])
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60


@given(plain, plain, plain, plain)
def test_a_failure_is_one_envelope(message: str, field: str, reason: str, code: str) -> None:
    problem = Invalid(message, details=[FieldError(field, reason, code)])
    body = json.loads(wire.failure(problem, "request-1"))
    assert body["success"] is False
    assert body["error"]["code"] == "VALIDATION_ERROR"
    assert body["error"]["message"] == (message or Invalid.message)
    assert body["error"]["details"] == [{"field": field, "reason": reason, "code": code}]


def test_rows_are_written_as_they_are_read_by_people_and_programs() -> None:
    # The driver's own UUID type is a subclass, which the serializer does not know by itself.
    key = asyncpg.pgproto.pgproto.UUID("00000000-0000-7000-8000-000000000001")
    row = Row(key, date(2026, 3, 8), datetime(2026, 3, 8, 7, 0, 0, 125000, tzinfo=UTC), None)
    assert json.loads(wire.dumps([row])) == [
        {
            "id": "00000000-0000-7000-8000-000000000001",
            "day": "2026-03-08",
            "at": "2026-03-08T07:00:00.125000Z",
            "note": None,
        }
    ]


def test_what_is_no_json_is_an_error_of_ours() -> None:
    with pytest.raises(TypeError):
        wire.dumps({"x": object()})


def every(kind: type[Problem]) -> set[type[Problem]]:
    return {kind}.union(*(every(below) for below in kind.__subclasses__()))


def test_every_problem_has_a_code_a_status_and_a_message_of_its_own() -> None:
    for kind in every(Problem):
        assert kind.code.isupper()
        assert 400 <= kind.status <= 503
        assert kind.message.endswith((".", "!"))
    assert NotFound("No such patient.").message == "No such patient."
