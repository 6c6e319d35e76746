"""What a patient's chart shows, out of what the API answers. Pure."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from chroniccare.core.time import to_local

Json = dict[str, Any]
_NOT_OURS = ("id", "version", "created_at", "updated_at")
READINGS = ("blood_pressure", "glucose", "weight", "heart_rate")
_BANDS: dict[str, list[int] | None] = {
    "blood_pressure": None, "glucose": [70, 180], "weight": None, "heart_rate": [60, 100],
}  # fmt: skip
"""What a chart shades; a help for the eye, none for a decision."""


def age(born: str, today: date) -> int:
    """Return the years since a birth date."""
    day = date.fromisoformat(born)
    return today.year - day.year - ((today.month, today.day) < (day.month, day.day))


def points(patient: Json, system: str) -> list[str]:
    """Return the patient's phones or email addresses, the first to try first."""
    telecom = (patient.get("contact_info") or {}).get("telecom") or []
    found = sorted((one for one in telecom if one["system"] == system), key=lambda one: one["rank"])
    return [one["value"] for one in found]


def timeline(
    *, visits: Iterable[Json], messages: Iterable[Json], medicines: Iterable[Json],
    readings: Iterable[Json], most: int = 60,
) -> list[Json]:  # fmt: skip
    """Return what happened, the latest first: `at`, `kind` and the record as `of`."""
    found = [{"at": one["scheduled_start"], "kind": "visit", "of": one} for one in visits]
    found += [
        {"at": one["sent_at"] or one["scheduled_send_time"], "kind": "message", "of": one}
        for one in messages
    ]
    for one in medicines:
        found.append({"at": one["created_at"], "kind": "prescribed", "of": one})
        if one["stopped_at"]:
            found.append({"at": one["stopped_at"], "kind": "stopped", "of": one})
    found += [{"at": one["taken_at"], "kind": "reading", "of": one} for one in readings]
    return sorted(found, key=lambda one: datetime.fromisoformat(one["at"]), reverse=True)[:most]


def accesses(entries: Iterable[Json]) -> list[Json]:
    """Return entries of the audit; what one did of a kind in one minute is one, with `count`."""
    found: list[Json] = []
    for one in entries:
        key = [one["user_id"], one["user_type"], one["action"], one["entity_type"],
               one["created_at"][:16], one["ip_address"]]  # fmt: skip
        if found and found[-1]["key"] == key:
            found[-1]["count"] += 1
        else:
            found.append({"key": key, "count": 1, "of": one})
    return found


def adherence_chart(report: Json) -> Json | None:
    """Return the share of observed doses that were taken, by day or week; None without any."""
    trend = report["trend"]
    if not any(one["percent"] is not None for one in trend):
        return None
    return {
        "unit": "%",
        "band": [80, 100],
        "x": [one["start"] for one in trend],
        "lines": [["Taken", [one["percent"] for one in trend]]],
    }


def reading_charts(readings: list[Json], zone: ZoneInfo) -> list[Json]:
    """Return a chart for each kind that was measured, the earliest reading first."""
    charts = []
    for kind in READINGS:
        of_kind = [one for one in reversed(readings) if one["kind"] == kind]
        if not of_kind:
            continue
        lines = [[kind, [one["value"] for one in of_kind]]]
        if kind == "blood_pressure":
            lines = [
                ["systolic", lines[0][1]],
                ["diastolic", [one["diastolic"] for one in of_kind]],
            ]
        days = [to_local(datetime.fromisoformat(one["taken_at"]), zone) for one in of_kind]
        charts.append(
            {
                "kind": kind,
                "last": of_kind[-1],
                "series": {
                    "unit": of_kind[0]["unit"],
                    "band": _BANDS[kind],
                    "x": [f"{day:%Y-%m-%d %H:%M}" for day in days],
                    "lines": lines,
                },
            }
        )
    return charts


def contact_fields(patient: Json) -> Json:
    """Return what the form of contact data begins with."""
    contact = patient.get("contact_info") or {}
    address = contact.get("address") or {}
    whom = patient.get("emergency_contact") or {}
    return {
        **{name: patient[name] for name in ("first_name", "last_name", "date_of_birth", "gender")},
        "language": patient["language"],
        "time_zone": patient["time_zone"],
        "phone": "\n".join(points(patient, "phone")),
        "email": "\n".join(points(patient, "email")),
        "line": "\n".join(address.get("line") or []),
        "city": address.get("city") or "",
        "state": address.get("state") or "",
        "postal_code": address.get("postal_code") or "",
        "country": address.get("country") or "",
        "emergency_name": whom.get("name", ""),
        "emergency_phone": whom.get("phone", ""),
    }


def with_contact(patient: Json, given: Json, hidden: Iterable[str] = ()) -> Json:
    """Return the record as a PUT takes it, with what the form says; nothing else is changed.

    What the role does not see is left out, and so is kept by the API: fields called `hidden` too,
    which are in the record of whoever has broken the glass, and still not theirs to write.
    """
    left = frozenset(hidden)
    body = _with_contact(patient, given)
    return {name: value for name, value in body.items() if name not in left}


def _with_contact(patient: Json, given: Json) -> Json:
    body = {name: value for name, value in patient.items() if name not in _NOT_OURS}
    body |= {
        name: given[name]
        for name in ("first_name", "last_name", "date_of_birth", "language", "time_zone")
    }
    body["gender"] = given["gender"] or None
    contact = patient.get("contact_info") or {}
    address = {
        "line": _lines(given["line"]),
        **{name: given[name] or None for name in ("city", "state", "postal_code", "country")},
    }
    body["contact_info"] = {
        "telecom": _telecom(contact.get("telecom") or [], given),
        "address": address if any(address.values()) else None,
    }
    whom = {"name": given["emergency_name"], "phone": given["emergency_phone"]}
    kept = dict(patient.get("emergency_contact") or {})
    body["emergency_contact"] = {
        **{name: value for name, value in kept.items() if name not in whom},
        **{name: value for name, value in whom.items() if value},
    }
    return body


def contact_field(path: str, given: Json) -> str:
    """Return the field of the form of contact data that a path of the API's is about."""
    name = path.removeprefix("contact_info.").removeprefix("address.")
    first, _, rest = name.partition(".")
    if first == "telecom":
        number = rest.partition(".")[0]
        is_phone = not number.isdecimal() or int(number) < len(_lines(given["phone"]))
        return "phone" if is_phone else "email"
    return "emergency_name" if first == "emergency_contact" else first


def preferences_field(path: str) -> str:
    """Return the field of the form of preferences that a path of the API's is about."""
    first, _, rest = path.partition(".")
    if first == "consents":
        return f"consent_{rest}"
    return f"quiet_{rest or 'start'}" if first == "quiet_hours" else first


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _telecom(before: list[Json], given: Json) -> list[Json]:
    """Return the contact points: those of the form in its order, and what it does not show."""
    known = {(one["system"], one["value"]): one for one in before}
    made = [
        {**known.get((system, value), {"use": "mobile" if system == "phone" else "home"}),
         "system": system, "value": value, "rank": rank}
        for system, first in (("phone", 1), ("email", 51))
        for rank, value in enumerate(_lines(given[system]), first)
    ]  # fmt: skip
    return made + [one for one in before if one["system"] not in {"phone", "email"}]


def preferences_body(shown: Json, given: Json) -> Json:
    """Return the preferences as a PUT takes them; `given` is as `preferences_fields` names it."""
    said = {"yes": True, "no": False}
    start, end = given["quiet_start"], given["quiet_end"]
    return {
        "channels": [one for one in dict.fromkeys(given["channels"]) if one],
        "consents": {name: said.get(given["consents"][name]) for name in given["consents"]},
        "categories": [
            {"category": one["category"], "enabled": one["category"] in given["categories"],
             "channels": one["channels"]}
            for one in shown["categories"]
        ],
        "quiet_hours": {"start": start, "end": end} if start or end else None,
        "drug_names": given["drug_names"],
    }  # fmt: skip


def preferences_fields(shown: Json) -> Json:
    """Return what the form of preferences begins with."""
    said = {True: "yes", False: "no", None: ""}
    quiet = shown["quiet_hours"] or {"start": "", "end": ""}
    return {
        "channels": shown["channels"],
        "consents": {name: said[one] for name, one in shown["consents"].items()},
        "categories": [one["category"] for one in shown["categories"] if one["enabled"]],
        "quiet_start": quiet["start"],
        "quiet_end": quiet["end"],
        "drug_names": shown["drug_names"],
    }
