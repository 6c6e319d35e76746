"""Wire types that several slices share: text, contact points, addresses, zones, hours.

Every type refuses what cannot be stored or shown: NUL and other control characters, lone
surrogates, text over its limit, unknown fields.
"""

import re
import unicodedata
from collections.abc import Hashable
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
)
from pydantic import StringConstraints as Str
from pydantic_core import CoreSchema, PydanticCustomError

from chroniccare.core.time import EARLIEST, LATEST, in_utc, zone_names

_PHONE = re.compile(r"^\+?[\d() ./\u2010-\u2015-]+$")
_LEAST, _MOST = -(2**63), 2**63 - 1
_MAX_DOCUMENT_DEPTH = 16
_STRICT = ("bool", "int", "float")  # no set: a field may be called "type", and its schema is a dict
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Hashed = TypeVar("Hashed", bound=Hashable)


def _make_strict(schema: Any) -> None:
    # Not ConfigDict(strict=True): that would refuse every UUID and date, which JSON has as text.
    if isinstance(schema, list | tuple):
        for item in schema:
            _make_strict(item)
    elif isinstance(schema, dict):
        if schema.get("type") in _STRICT:
            schema["strict"] = True
        for item in schema.values():
            _make_strict(item)


class Wire(BaseModel):
    """A JSON object from or for a client; fields it does not know are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Take a number for a number and a truth value for one: no guessing from `1` or `"yes"`."""
        schema = handler(source)
        _make_strict(schema)
        return schema


def _printable(value: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t" for c in value):
        raise PydanticCustomError("characters", "must not contain control characters")
    return value


def _one_line(value: str) -> str:
    if "\n" in value or "\t" in value:
        raise PydanticCustomError("characters", "must be a single line")
    return _printable(value)


def _document(value: Any, depth: int = 0) -> Any:
    """Check every string and key of a free-form JSON document, and its depth."""
    if depth > _MAX_DOCUMENT_DEPTH:
        raise PydanticCustomError("depth", "is nested too deeply")
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, int | float) and not _LEAST <= value <= _MOST:  # NaN fails as well
        raise PydanticCustomError("number", "must not hold a number beyond 64 bits")
    if isinstance(value, list):
        return [_document(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _document(item, depth + 1) for key, item in value.items()}
    return value


def _zone(value: str) -> str:
    if value not in zone_names():
        raise PydanticCustomError("zone", "not an IANA time zone name, such as America/New_York")
    return value


def _dated(value: Any) -> Any:
    """Refuse numbers, also written as text, which pydantic would take for seconds since 1970."""
    if isinstance(value, str) and not _DATED.match(value):
        raise PydanticCustomError("date", "must be ISO 8601, such as 2026-12-01")
    if not isinstance(value, str | date):
        raise PydanticCustomError("date", "must be text in ISO 8601")
    return value


def _instant(value: datetime) -> datetime:
    if not EARLIEST <= value < LATEST:
        raise PydanticCustomError("range", "must lie between 1900 and 2200")
    return in_utc(value)  # PostgreSQL takes no offset beyond 15:59


def _day(value: date) -> date:
    if not EARLIEST.date() <= value < LATEST.date():
        raise PydanticCustomError("range", "must lie between 1900 and 2200")
    return value


def distinct(values: list[Hashed]) -> list[Hashed]:
    """Return `values`.

    Raises:
        PydanticCustomError: one of them stands there twice.
    """
    if len(set(values)) != len(values):
        raise PydanticCustomError("distinct", "must not name the same thing twice")
    return values


def _costs(number: phonenumbers.PhoneNumber) -> bool:
    """Return whether a message to `number` may be charged like a premium service."""
    return phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.PREMIUM_RATE


def phone_to_e164(value: str, region: str | None = None) -> str:
    """Return `value` as E.164; without `region` (ISO 3166) it must start with `+`.

    Raises:
        PydanticCustomError: not a phone number that can exist.
    """
    try:
        # The library finds numbers in running text; a contact point is a number and nothing else.
        number = phonenumbers.parse(value, region) if _PHONE.match(value) else None
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number) or _costs(number):
        raise PydanticCustomError(
            "phone", "not a valid phone number in international form, such as +14155550100"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email_address(value: str) -> str:
    """Return the normalised address; its domain is not looked up.

    Raises:
        PydanticCustomError: not an email address.
    """
    try:
        return validate_email(value, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        raise PydanticCustomError("email", "not a valid email address") from None


Line = Annotated[str, Str(min_length=1, max_length=255), AfterValidator(_one_line)]
Name = Annotated[str, Str(min_length=1, max_length=100), AfterValidator(_one_line)]
Word = Annotated[str, Str(min_length=1, max_length=50), AfterValidator(_one_line)]
Prose = Annotated[str, Str(max_length=4000), AfterValidator(_printable)]
Paragraph = Annotated[str, Str(min_length=1, max_length=1000), AfterValidator(_printable)]
Script = Annotated[str, Str(min_length=1, max_length=50_000), AfterValidator(_printable)]
Document = Annotated[dict[str, JsonValue], Field(max_length=100), AfterValidator(_document)]
ZoneName = Annotated[str, Str(max_length=64), AfterValidator(_zone)]
Day = Annotated[date, BeforeValidator(_dated), AfterValidator(_day)]
Instant = Annotated[AwareDatetime, BeforeValidator(_dated), AfterValidator(_instant)]
Language = Annotated[str, Str(pattern=re.compile(r"^[a-z]{2,3}(-[A-Z]{2})?$").pattern)]
# [0-9]: pydantic's \d takes the digits of every script.
WallTime = Annotated[str, Str(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
ClockTime = Annotated[str, Str(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


class ContactPoint(Wire):
    """One way to reach someone (FHIR ContactPoint)."""

    system: Annotated[
        Literal["phone", "email", "push"],
        Field(
            description="Kind of address; `push`: the ARN of an SNS platform endpoint.",
            examples=["phone"],
        ),
    ]
    value: Annotated[
        str,
        Str(min_length=1, max_length=254),
        Field(
            description="A phone number in international form, stored as E.164, or an address.",
            examples=["+14155550100"],
        ),
        AfterValidator(_one_line),
    ]
    use: Annotated[
        Literal["home", "work", "mobile", "old", "temp"],
        Field(description="What it is used for.", examples=["mobile"]),
    ] = "mobile"
    rank: Annotated[int, Field(ge=1, le=100, description="1 is tried first.", examples=[1])] = 1


def _normalised(point: ContactPoint) -> ContactPoint:
    if point.system == "phone":
        return point.model_copy(update={"value": phone_to_e164(point.value)})
    if point.system == "email":
        return point.model_copy(update={"value": email_address(point.value)})
    return point


class Address(Wire):
    """A postal address."""

    line: Annotated[
        list[Line], Field(max_length=4, description="Street and number.", examples=[["1 Main St"]])
    ] = []
    city: Annotated[Line | None, Field(description="City.", examples=["Springfield"])] = None
    state: Annotated[Line | None, Field(description="State or province.", examples=["NY"])] = None
    postal_code: Annotated[Word | None, Field(description="Postal code.", examples=["10001"])] = (
        None
    )
    country: Annotated[
        Annotated[str, Str(pattern=r"^[A-Z]{2}$")] | None,
        Field(description="ISO 3166 alpha-2 code.", examples=["US"]),
    ] = None


class ContactInfo(Wire):
    """How to reach someone: contact points in order of rank, and a postal address."""

    telecom: Annotated[
        list[Annotated[ContactPoint, AfterValidator(_normalised)]],
        Field(max_length=20, description="Phones, email addresses and devices."),
    ] = []
    address: Annotated[Address | None, Field(description="Postal address.")] = None
