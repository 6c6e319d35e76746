"""What the shared wire types take, refuse and make of it."""

from datetime import date, datetime
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from chroniccare.core.fields import (
    ClockTime,
    ContactInfo,
    Day,
    Document,
    Instant,
    Language,
    Line,
    Name,
    Prose,
    WallTime,
    Wire,
    Word,
    ZoneName,
)


def accepted(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


PHONES = [
    ("+14155550100", "+14155550100"),
    ("+1 (415) 555-0100", "+14155550100"),
    ("+1-415-555-0100", "+14155550100"),
    ("+44 20 7946 0958", "+442079460958"),
    ("+49 (0)30 123456", "+4930123456"),
    ("+1٤١٥٥٥٥٠١٠٠", "+14155550100"),
    ("4155550100", None),  # which country?
    ("+1415555010", None),
    ("+141555501000", None),
    ("+999123456789", None),
    ("+1 415 555 0100 ext. 5", None),
    ("911", None),
    ("phone", None),
    ("+", None),
    ("+1415555٠", None),
]
EMAILS = [
    ("maria@example.com", "maria@example.com"),
    ("Maria.Gonzalez+clinic@EXAMPLE.com", "Maria.Gonzalez+clinic@example.com"),
    ("maria@bücher.example.com", "maria@bücher.example.com"),
    ("maria", None),
    ("maria@", None),
    ("@example.com", None),
    ("maria@example", None),
    ("maria@@example.com", None),
    ("maria gonzalez@example.com", None),
    ("maria@example..com", None),
    ("maria@-example.com", None),
    ("maria@example.com\nBcc: x@example.com", None),
    ("Maria <maria@example.com>", None),
    ("x" * 65 + "@example.com", None),
    ("maria@127.0.0.1", None),
]


@pytest.mark.parametrize(
    ("system", "value", "kept"),
    [("phone", *row) for row in PHONES] + [("email", *row) for row in EMAILS],
)
def test_an_address_is_normalised_or_refused(system: str, value: str, kept: str | None) -> None:
    document = {"telecom": [{"system": system, "value": value}]}
    if kept is None:
        assert not accepted(ContactInfo, document)
    else:
        assert ContactInfo.model_validate(document).telecom[0].value == kept


@pytest.mark.parametrize("kind", [Line, Name, Word, Prose])
@given(
    st.text(max_size=20),
    st.characters(categories=["Cc", "Cs"], exclude_characters="\n\t"),
    st.text(max_size=20),
)
def test_control_characters_and_lone_surrogates_are_refused(
    kind: Any, before: str, character: str, after: str
) -> None:
    # Letters at both ends: what stands at an end may be stripped as white space.
    assert not accepted(kind, f"a{before}{character}{after}b")


@pytest.mark.parametrize(("kind", "limit"), [(Line, 255), (Name, 100), (Word, 50)])
def test_a_line_of_text_has_its_limits(kind: Any, limit: int) -> None:
    assert accepted(kind, "é" * limit)
    for value in ("", "x" * (limit + 1), "two\nlines", "a\ttab", 5, None, ["x"]):
        assert not accepted(kind, value)
    assert accepted(Prose, "two\nlines and a\ttab")
    assert not accepted(Prose, "x" * 4001)


class Shape(Wire):
    name: Annotated[Line, Field(description="A name.")] = "x"
    flag: Annotated[bool, Field(description="A flag.")] = True
    count: Annotated[int, Field(description="A count.")] = 0
    share: Annotated[float | None, Field(description="A share.")] = None
    counts: Annotated[list[int], Field(description="Counts.")] = []  # noqa: RUF012  pydantic copies
    type: Annotated[dict[str, bool], Field(description="Flags.")] = {}  # noqa: RUF012


class Below(Shape):
    shape: Annotated[Shape, Field(description="Another.")] = Shape()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"flag": 1}, ("flag",)),
        ({"flag": "yes"}, ("flag",)),
        ({"count": "1"}, ("count",)),
        ({"count": 1.0}, ("count",)),
        ({"count": True}, ("count",)),
        ({"share": "1.5"}, ("share",)),
        ({"counts": [1, "2"]}, ("counts", 1)),
        ({"type": {"a": 1}}, ("type", "a")),
        ({"shape": {"flag": 0}}, ("shape", "flag")),
        ({"unknown": 1}, ("unknown",)),
    ],
)
def test_a_wrong_type_is_not_guessed_at(document: dict[str, Any], place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        Below.model_validate(document)
    assert [error["loc"] for error in caught.value.errors()] == [place]


def test_white_space_around_text_is_dropped() -> None:
    assert Shape.model_validate({"name": "  Ana \n"}).name == "Ana"
    assert not accepted(Shape, {"name": "   "})


@pytest.mark.parametrize(
    "value",
    [0, 1_700_000_000, 1.5, "0", "1700000000", True, "", "tomorrow", "2026-02-30", "0001-01-01",
     "9999-12-31", "1899-12-31", "2200-01-01", "26-01-01", "2026-1-1", "２０２６-01-01"],
)  # fmt: skip
def test_a_day_is_an_iso_date_in_range(value: Any) -> None:
    assert not accepted(Day, value)
    assert not accepted(Instant, value)


def test_a_day_and_an_instant_are_read() -> None:
    assert TypeAdapter(Day).validate_python("2026-02-28") == date(2026, 2, 28)
    assert accepted(Day, date(1900, 1, 1))
    instant = TypeAdapter(Instant).validate_python("2026-12-01T09:00:00-05:00")
    assert instant == datetime.fromisoformat("2026-12-01T14:00:00Z")


@pytest.mark.parametrize(
    "value",
    ["2026-12-01T09:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
     "2199-12-31T23:59:59-01:00", "2026-12-01T25:00:00Z", "2026-12-01T09:00:00+99:00"],
)  # fmt: skip
def test_an_instant_without_an_offset_or_out_of_range_is_refused(value: str) -> None:
    assert not accepted(Instant, value)


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        document = {"a": document}
    return document


@pytest.mark.parametrize(
    ("document", "good"),
    [
        ({}, True),
        ({"name": "Luis", "phones": ["+1", None, 2.5, True]}, True),
        (nested(14), True),
        (nested(40), False),
        ({"a": ["\0"]}, False),
        ({"\0": 1}, False),
        ({"a": {"b": "\ud800"}}, False),
        ({str(number): 1 for number in range(101)}, False),
        ([], False),
        ("text", False),
        ({1: 1}, False),
    ],
)
def test_a_free_document_is_checked_to_its_depths(document: Any, good: bool) -> None:
    assert accepted(Document, document) is good


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (ZoneName, ["America/New_York", "UTC"], ["america/new_york", "localtime", "posix/UTC", ""]),
        (Language, ["en", "es", "pt-BR", "fil"], ["EN", "english", "en-us", "e", "en_US", "en\n"]),
        (WallTime, ["00:00", "23:59"], ["24:00", "9:00", "09:60", "٠٩:00", "09:00:00", "09:00\n"]),
        (ClockTime, ["00:00", "24:00"], ["24:01", "25:00", "", "0900"]),
    ],
    ids=["zone", "language", "wall", "clock"],
)
def test_codes_are_taken_exactly(kind: Any, good: list[str], bad: list[str]) -> None:
    assert [value for value in good if not accepted(kind, value)] == []
    assert [value for value in bad if accepted(kind, value)] == []
