"""What a clinic is made of, facilities, providers, kinds of visit and rooms, as forms have it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chroniccare.console.forms import Form, whole

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ADDRESS = ("city", "state", "postal_code", "country")
_SEPARATORS = re.compile(r"\s*[,;\n]\s*")
_DASH = re.compile(r"\s*[-\N{EN DASH}]\s*")
Record = dict[str, Any]


def some(text: str) -> list[str]:
    """Return what a field has, separated by commas or lines."""
    return [one for one in _SEPARATORS.split(text) if one]


def _contact(form: Form, now: Record) -> Record:
    """Return contact points with the form's first phone and address; all others stay."""
    info = now.get("contact_info") or {}
    points = list(info.get("telecom") or [])
    for system in ("phone", "email"):
        known = next((one for one in points if one["system"] == system), None)
        value = form.text(system)
        if known is None and value:
            points.append({"system": system, "value": value, "use": "work"})
        elif known is not None:
            at = points.index(known)
            points[at : at + 1] = [{**known, "value": value}] if value else []
    return {"address": info.get("address"), "telecom": points}


def _ranges(text: str) -> list[Record]:
    found = []
    for one in some(text):
        start, *end = _DASH.split(one, maxsplit=1)
        found.append({"open": start, "close": end[0] if end else ""})
    return found


def _facility(form: Form, now: Record) -> Record:
    return {
        "name": form.text("name"), "facility_type": form.text("facility_type"),
        "timezone": form.text("timezone"), "contact_info": _contact(form, now),
        "address": {
            "line": form.lines("line"), **{name: form.some(name) for name in _ADDRESS},
        },
        "operating_hours": {day: _ranges(form.text(day)) for day in DAYS},
        "capabilities": form.lines("capabilities"), "is_active": form.checked("is_active"),
    }  # fmt: skip


def _provider(form: Form, now: Record) -> Record:
    first = {name: form.text(f"number_{name}") for name in ("system", "value", "type")}
    primary = form.text("primary")
    return {
        "first_name": form.text("first_name"), "last_name": form.text("last_name"),
        "npi": form.some("npi"),
        "identifiers": [
            *([first] if any(first.values()) else []), *now.get("identifiers", [])[1:],
        ],
        "specializations": form.lines("specializations"),
        "qualifications": form.lines("qualifications"),
        "languages": some(form.text("languages")), "contact_info": _contact(form, now),
        "telehealth_enabled": form.checked("telehealth_enabled"),
        "max_daily_capacity": form.number("max_daily_capacity"),
        "default_appointment_durations": dict(_minutes(form.text("durations"))),
        "facilities": [
            {"facility_id": one, "is_primary": one == primary}
            for one in dict.fromkeys([*form.all("facilities"), *([primary] if primary else [])])
        ],
        "is_active": form.checked("is_active"),
    }  # fmt: skip


def _minutes(text: str) -> list[tuple[str, Any]]:
    rows = (one.rpartition(" ") for one in some(text))
    return [(kind or minutes, whole(minutes)) for kind, _, minutes in rows]


def _visit_type(form: Form, now: Record) -> Record:
    del now
    numbers = (
        "duration_minutes", "buffer_before_minutes", "buffer_after_minutes", "min_notice_minutes",
        "horizon_days",
    )  # fmt: skip
    rows = (form.values.get(f"need_{name}", []) for name in ("kind", "category", "count"))
    needs = [
        {"kind": kind, "category": category, "count": whole(count)}
        for kind, category, count in zip(*rows, strict=False)
        if category
    ]
    return {
        "code": form.text("code"), "name": form.text("name"),
        "description": form.some("description"), "requirements": needs,
        **{name: form.number(name) for name in numbers}, "is_active": form.checked("is_active"),
    }  # fmt: skip


def _resource(form: Form, now: Record) -> Record:
    body = {
        "kind": form.text("kind"), "facility_id": form.some("facility_id"),
        "name": form.text("name"), "category": form.text("category"),
        "capacity": form.number("capacity"), "is_active": form.checked("is_active"),
    }  # fmt: skip
    return {**body, "keep_visits": form.checked("keep_visits")} if now else body


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record.

    Attributes:
        scope: its scopes without `:read` and `:write`.
        body: makes what the API takes of a form and the record as it is, empty for a new one.
        blank: what an empty form holds.
        strands: a change can leave visits outside the hours, and is tried first.
    """

    scope: str
    body: Callable[[Form, Record], Record]
    blank: Record
    strands: bool = False


KINDS = {
    "facilities": Kind(
        "facilities", _facility,
        {"name": "", "facility_type": "clinic", "timezone": "", "address": {}, "contact_info": {},
         "operating_hours": {}, "capabilities": [], "is_active": True}, strands=True,
    ),
    "providers": Kind(
        "providers", _provider,
        {"first_name": "", "last_name": "", "npi": None, "identifiers": [], "specializations": [],
         "qualifications": [], "languages": ["en"], "contact_info": {}, "facilities": [],
         "telehealth_enabled": False, "max_daily_capacity": 20, "is_active": True,
         "default_appointment_durations": {}}, strands=True,
    ),
    "visit-types": Kind(
        "scheduling", _visit_type,
        {"code": "", "name": "", "description": None, "duration_minutes": 30,
         "buffer_before_minutes": 0, "buffer_after_minutes": 0, "min_notice_minutes": 0,
         "horizon_days": 731, "requirements": [], "is_active": True},
    ),
    "resources": Kind(
        "scheduling", _resource,
        {"kind": "room", "facility_id": "", "name": "", "category": "", "capacity": 1,
         "is_active": True},
    ),
}  # fmt: skip


def shown(record: Record) -> Record:
    """Return a record with its lists as the lines of a form, and its first contact points."""
    points = (record.get("contact_info") or {}).get("telecom") or []
    first = {
        system: next((one["value"] for one in points if one["system"] == system), "")
        for system in ("phone", "email")
    }
    hours = record.get("operating_hours") or {}
    numbers = [*record.get("identifiers", []), {}][0]
    return {
        **record, **first,
        **{f"number_{name}": numbers.get(name, "") for name in ("system", "value", "type")},
        **{day: ", ".join(f"{one['open']}-{one['close']}" for one in hours.get(day) or [])
           for day in DAYS},
        "durations": ", ".join(
            f"{kind} {minutes}"
            for kind, minutes in (record.get("default_appointment_durations") or {}).items()
        ),
    }  # fmt: skip


def faults(fields: dict[str, str]) -> dict[str, str]:
    """Return what is wrong by the form's field: the API names parts of lists and of documents."""
    found = dict(fields)
    for path, reason in fields.items():
        part = path.removeprefix("operating_hours.").removeprefix("address.").split(".")[0]
        found.setdefault(part, reason)
    return found
