"""The file of `chroniccare notify`: read, and every row checked. No row stops another."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from chroniccare.core.errors import Invalid, Problem
from chroniccare.core.fields import Line, email_address, phone_to_e164
from chroniccare.core.time import parse_instant, to_instant, to_local
from chroniccare.core.time import zone as zone_called

FIELDS = (
    "patientId",
    "phoneNumber",
    "email",
    "appointmentTime",
    "doctorName",
    "location",
    "appointmentId",
)
_NEEDED = ("patientId", "appointmentTime")


class BatchFileError(Exception):
    """The file cannot be read as a list of appointments; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with one row: `line` counts from 1, in JSON it is the item's number."""

    line: int
    reason: str


@dataclass(frozen=True)  # no slots: what is worked out late is kept in the row
class Row:
    """One reminder to send.

    Attributes:
        key: the same for the same appointment at the same time, however often it is read.
        patient: the list's own id of the patient.
        visit: the same for the same appointment at any time; None where the file has no id for it.
        starts_at: UTC instant.
        local: the same instant as the recipient is to read it, with its offset.
        addresses: `phone` before `email` as the file has them; `region` reads the number.
        zone_name: the IANA zone that `--zone` gave, if it did.
        doubts: what is in doubt about the time.
    """

    line: int
    key: str
    patient: str
    visit: str | None
    starts_at: datetime
    local: datetime
    addresses: dict[str, str]
    region: str
    doctor: str | None
    location: str | None
    zone_name: str | None
    doubts: list[str]

    @property
    def recipient(self) -> dict[str, str]:
        """`phone` (E.164) before `email`, as far as they are there and valid."""
        return self._checked[0]

    @property
    def remarks(self) -> list[str]:
        """What is wrong with the row although it can be sent."""
        return [*self.doubts, *self._checked[1]]

    @cached_property
    def _checked(self) -> tuple[dict[str, str], list[str]]:
        """The addresses that can be used, and what is wrong with the others.

        Worked out when first asked for: it takes four fifths of the time that a file takes to be
        read, and the first reminders need not wait for the last rows.
        """
        found: dict[str, str] = {}
        wrong: list[str] = []
        checks: dict[str, Callable[[str], str]] = {
            "phone": partial(phone_to_e164, region=self.region), "email": email_address,
        }  # fmt: skip
        for system, value in self.addresses.items():
            try:
                found[system] = checks[system](value)
            except PydanticCustomError as error:
                wrong.append(f"{system}: {error.message()}")
        return found, wrong


class _Fields(BaseModel):
    """The seed's field names; a number counts as its text, other columns are of no interest."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, str_strip_whitespace=True)

    patientId: Line  # noqa: N815  the file's names
    appointmentTime: Line  # noqa: N815
    phoneNumber: Line | None = None  # noqa: N815
    email: Line | None = None
    doctorName: Line | None = None  # noqa: N815
    location: Line | None = None
    appointmentId: Line | None = None  # noqa: N815


def read(path: Path, *, region: str, zone: str | None) -> list[Row | RowProblem]:
    """Return every row of the file, checked, in its order.

    Raises:
        BatchFileError: it does not exist, is no UTF-8, no CSV or JSON, or lacks a column.
        Invalid: `zone` is no IANA time zone.
    """
    if zone is not None:
        zone_called(zone, field="zone")  # before the file is looked at
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BatchFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BatchFileError(f"{path}: is not text in UTF-8") from None
    return rows(entries(str(path), text), region=region, zone=zone)


def rows(
    found: Iterable[tuple[int, Any]], *, region: str, zone: str | None
) -> list[Row | RowProblem]:
    """Return every entry as a row, checked; see `read` and `entries`.

    Raises:
        Invalid: `zone` is no IANA time zone.
    """
    tz = None if zone is None else zone_called(zone, field="zone")
    return [_row(line, entry, region=region, tz=tz) for line, entry in found]


def entries(name: str, text: str) -> list[tuple[int, Any]]:
    """Return the lines of a file's text, each with its number and its fields, not yet checked.

    Raises:
        BatchFileError: it is no CSV or JSON, whichever `name` says, or lacks a column.
    """
    return _json(name, text) if name.lower().endswith(".json") else _csv(name, text)


def _json(name: str, text: str) -> list[tuple[int, Any]]:
    try:
        document = orjson.loads(text)
    except ValueError as error:
        raise BatchFileError(f"{name}: is not valid JSON: {error}") from None
    if isinstance(document, dict):
        document = document.get("appointments")
    if not isinstance(document, list):
        raise BatchFileError(f'{name}: must be a list, or an object with a list "appointments"')
    return list(enumerate(document, start=1))


def _csv(name: str, text: str) -> list[tuple[int, Any]]:
    lines = list(io.StringIO(text, newline=""))
    try:
        head, used = _record(lines, 0) if lines else ([], 0)
    except csv.Error as error:
        raise BatchFileError(f"{name}: the first line is not CSV: {error}") from None
    names = [one.strip() for one in head]
    missing = [one for one in _NEEDED if one not in names]
    if missing:
        raise BatchFileError(f"{name}: the first line lacks the column {', '.join(missing)}")
    twice = [one for one in FIELDS if names.count(one) > 1]
    if twice:
        raise BatchFileError(f"{name}: the first line names the column {', '.join(twice)} twice")
    return list(_entries(lines, used, names))


def _entries(lines: list[str], at: int, names: list[str]) -> Iterator[tuple[int, Any]]:
    """Yield each row's first line and its fields by name, without the empty ones.

    A row that cannot be read is a problem of its first line alone, and reading goes on with the
    next line: a quote that is not closed must not swallow the rows after it.
    """
    while at < len(lines):
        number = at + 1
        try:
            values, used = _record(lines, at)
        except csv.Error as error:
            yield number, RowProblem(number, f"is not CSV: {error}")
            at += 1
            continue
        if _swallows(lines[at + 1 : at + used], names):
            yield number, RowProblem(number, "is not CSV: a quote is not closed on its line")
            at += 1
            continue
        at += used
        if len(values) > len(names):
            yield number, RowProblem(number, "has more fields than the first line")
        elif values:
            pairs = zip(names, values, strict=False)
            yield number, {name: value for name, value in pairs if value.strip()}


def _record(lines: list[str], at: int) -> tuple[list[str], int]:
    """Return the values of the record that begins at `lines[at]`, and how many lines it has.

    Raises:
        csv.Error: a quote is not closed, or is followed by text, or a value is over 131,072 long.
    """
    reader = csv.reader((lines[number] for number in range(at, len(lines))), strict=True)
    return next(reader), reader.line_num


def _swallows(more: list[str], names: list[str]) -> bool:
    """Say whether one of a record's further lines has the fields of a row by itself."""
    return any(line.count(",") >= len(names) - 1 for line in more)


def _row(line: int, entry: Any, *, region: str, tz: ZoneInfo | None) -> Row | RowProblem:
    if isinstance(entry, RowProblem):
        return entry
    if not isinstance(entry, dict):
        return RowProblem(line, "does not have the fields of an appointment")
    try:
        # As in CSV, where nothing between two commas is nothing.
        fields = _Fields.model_validate({k: v for k, v in entry.items() if v != ""})
        local, doubts = _local(fields.appointmentTime, tz)
        starts_at = parse_instant(local, field="appointmentTime")
    except ValidationError as error:
        return RowProblem(line, "; ".join(_told(item) for item in error.errors()))
    except Problem as problem:
        return RowProblem(line, "; ".join(f"{d.field} {d.reason}" for d in problem.details))
    except (ValueError, OverflowError):
        return RowProblem(line, "appointmentTime is not a time such as 2026-12-01T09:00:00-05:00")
    addresses = {"phone": fields.phoneNumber, "email": fields.email}
    # With the patient: a group visit is one appointment of several patients.
    visit = _digest(fields.appointmentId or "", fields.patientId)
    return Row(
        line=line,
        key=f"file:{_digest(visit, starts_at.isoformat())}",
        patient=fields.patientId,
        visit=visit if fields.appointmentId else None,
        starts_at=starts_at,
        local=local,
        addresses={system: value for system, value in addresses.items() if value is not None},
        region=region,
        doctor=fields.doctorName,
        location=fields.location,
        zone_name=None if tz is None else tz.key,
        doubts=doubts,
    )


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _told(item: Any) -> str:
    name = ".".join(str(step) for step in item["loc"])
    return f"{name} is missing" if item["type"] == "missing" else f"{name}: {item['msg']}"


def _local(value: str, tz: ZoneInfo | None) -> tuple[datetime, list[str]]:
    """Return the time with an offset, its own or the one it has in `tz`, and what is in doubt.

    Raises:
        Invalid: a change of clocks in `tz` skips it.
        ValueError: it is no time.
    """
    if ":" not in value:
        raise ValueError("a day without a time")
    at = datetime.fromisoformat(value)
    if tz is None:
        return at, []
    if at.tzinfo is not None:
        return to_local(at, tz), []
    local = to_local(to_instant(at.date(), at.time(), tz), tz)
    if (local.date(), local.time()) != (at.date(), at.time()):
        raise Invalid.field("appointmentTime", "does not exist: the clocks go forward then", "gap")
    if local.replace(fold=1).utcoffset() == local.utcoffset():
        return local, []
    return local, ["appointmentTime occurs twice as the clocks go back: the first is taken"]
