"""Searches of stored types: what US Core demands, and each parameter against a naive evaluation."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.time import zone
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.stored import actions, indexing
from chroniccare.fhir.stored.table import CLINICS, Search, patient_path, searches
from chroniccare.platform.postgres import begin
from tests.client import Clinic
from tests.fhir.examples import LOINC, coded, to
from tests.fhir.generated import resource, thrown
from tests.fhir.stored.made import World, example, pressure

Json = dict[str, Any]
DAY = "ge2020-01-01"
# Type and parameters of US Core 6.1, 7.0 and 8.0; `=` is filled with what the record says.
SHALL = [
    "AllergyIntolerance?patient",
    "CarePlan?patient&category",
    "Condition?patient",
    "Condition?patient&category",
    "Coverage?patient",
    "Device?patient",
    "DiagnosticReport?patient",
    "DiagnosticReport?patient&category",
    "DiagnosticReport?patient&code",
    "DiagnosticReport?patient&category&date",
    "DocumentReference?_id",
    "DocumentReference?patient",
    "DocumentReference?patient&category",
    "DocumentReference?patient&type",
    "DocumentReference?patient&category&date",
    "Encounter?_id",
    "Encounter?patient",
    "Encounter?patient&date",
    "Goal?patient",
    "Immunization?patient",
    "Medication?_id",
    "Observation?patient&category",
    "Observation?patient&code",
    "Observation?patient&category&date",
    "Procedure?patient",
    "Procedure?patient&date",
    "QuestionnaireResponse?_id",
    "QuestionnaireResponse?patient",
    "ServiceRequest?_id",
    "ServiceRequest?patient",
    "ServiceRequest?patient&category",
    "ServiceRequest?patient&code",
    "ServiceRequest?patient&category&authored",
    "Specimen?_id",
    # and what they recommend
    "Condition?patient&clinical-status",
    "Condition?patient&recorded-date",
    "Condition?patient&code",
    "Device?patient&type",
    "Device?patient&status",
    "Encounter?patient&type",
    "Encounter?class&patient",
    "Encounter?patient&status",
    "Encounter?identifier",
    "Goal?patient&lifecycle-status",
    "Immunization?patient&date",
    "Immunization?patient&status",
    "Observation?patient&category&status",
    "Observation?patient&code&date",
    "Procedure?patient&code&date",
    "QuestionnaireResponse?patient&authored",
    "QuestionnaireResponse?patient&questionnaire",
    "QuestionnaireResponse?patient&status",
    "ServiceRequest?patient&code&authored",
    "Specimen?patient",
]
MORE: dict[str, Json] = {
    "CarePlan": {"category": [coded("assess-plan", "http://hl7.org/fhir/us/core/x")]},
    "Condition": {
        "category": [coded("problem-list-item")],
        "code": coded("44054006"),
        "recordedDate": "2026-01-02",
    },
    "Device": {"type": coded("43770009"), "status": "active", "patient": to("Patient/p1")},
    "DiagnosticReport": {"category": [coded("LAB")], "effectiveDateTime": "2026-01-02"},
    "DocumentReference": {
        "type": coded("34133-9", LOINC), "category": [coded("clinical-note")],
        "date": "2026-01-02T10:00:00Z",
    },
    "Encounter": {
        "type": [coded("99213")], "period": {"start": "2026-01-02"},
        "identifier": [{"system": "urn:visits", "value": "V-1"}],
    },
    "Immunization": {"occurrenceDateTime": "2026-01-02"},
    "Procedure": {"performedPeriod": {"start": "2026-01-02", "end": "2026-01-03"},
                  "code": coded("80146002")},
    "QuestionnaireResponse": {
        "authored": "2026-01-02T10:00:00Z", "questionnaire": "http://example.org/phq|1",
        "subject": to("Patient/p1"),
    },
    "ServiceRequest": {
        "category": [coded("108252007")], "code": coded("24323-8", LOINC),
        "authoredOn": "2026-01-02",
    },
    "Specimen": {"subject": to("Patient/p1")},
}  # fmt: skip


def _asked(name: str, parameter: str, made: Json) -> str:
    """Return a value that the record has."""
    if parameter == "_id":
        return str(made["id"])
    search = searches()[name][parameter]
    for leaf in search.leaves:
        for value, _ in indexing.values(made, leaf.members):
            if search.kind == "date":
                return DAY
            if leaf.type == "CodeableConcept":
                return f"{value['coding'][0]['system']}|{value['coding'][0]['code']}"
            if leaf.type in {"Coding", "Identifier"}:
                return str(value.get("code") or value["value"])
            if leaf.type == "Reference":
                return str(value["reference"])
            return str(value)
    raise AssertionError(f"{name} has no {parameter}")


@pytest.mark.parametrize("name", sorted({one.partition("?")[0] for one in SHALL}))
async def test_what_must_be_searchable_is(clinic: Clinic, there: World, name: str) -> None:
    whole = await there.whole({**example(name), **MORE.get(name, {})})
    before = set(await there.fhir.ids(name))  # what it refers to may be of its type
    made = await there.make(whole)
    stranger = (await clinic.patient())["id"]
    there.known["Patient"] = stranger
    other = await there.whole({**example(name), "meta": {"tag": [{"code": "other"}]}})
    await there.make(other)
    for line in SHALL:
        kind, _, parameters = line.partition("?")
        if kind != name:
            continue
        asked = {one: _asked(name, one, made) for one in parameters.split("&")}
        query = "&".join(f"{one}={value}" for one, value in asked.items())
        found = set(await there.fhir.ids(f"{name}?{query}")) - before
        assert made["id"] in found, line
        if {"patient", "_id"} & asked.keys():
            assert found == {made["id"]}, line
        for one, value in asked.items():  # with a value that nobody has, nobody is found
            wrong = "lt1900" if value == DAY else "nobody"
            query = "&".join(f"{x}={wrong if x == one else y}" for x, y in asked.items())
            assert await there.fhir.ids(f"{name}?{query}") == [], (line, one)
        both = ",".join(["nobody", asked[one]]) if asked[one] != DAY else f"{DAY},lt1900"
        assert made["id"] in await there.fhir.ids(f"{name}?{one}={both}"), line


async def test_amounts_codes_and_chains(clinic: Clinic, there: World) -> None:
    high = await there.make(pressure(there.patient, 142.5))
    other = await clinic.patient(last_name="Quist")
    low = await there.make(pressure(other["id"], 118, effectiveDateTime="2026-04-02"))
    both = {high["id"], low["id"]}
    for query, found in {
        "component-code-value-quantity=8480-6$gt140": {high["id"]},
        "component-code-value-quantity=http://loinc.org|8480-6$gt140": {high["id"]},
        "component-code-value-quantity=8462-4$gt140": set(),
        "component-code-value-quantity=8480-6$lt140,8480-6$gt140": both,
        "combo-code-value-quantity=8462-4$80": both,
        "code-value-quantity=8480-6$gt140": set(),
        "component-value-quantity=118": {low["id"]},
        "component-value-quantity=142": set(),
        "component-value-quantity=142.5": {high["id"]},
        "component-value-quantity=1.4e2": {high["id"]},
        "component-value-quantity=ap130": both,
        "component-value-quantity=gt140|http://unitsofmeasure.org|mm[Hg]": {high["id"]},
        "component-value-quantity=gt140||mm[Hg]": {high["id"]},
        "component-value-quantity=gt140||kPa": set(),
        "value-quantity:missing=true": both,
        "component-value-quantity:missing=true": set(),
        "code:not=85354-9": set(),
        "component-code:not=1": both,
        "combo-code=8480-6": both,
        "date=2026-03": {high["id"]},
        "date=2026-04-02": {low["id"]},
        "date=sa2026-03-02": {low["id"]},
        "date=ap2026-03-01": {high["id"]},
        "patient.family=quist": {low["id"]},
        "subject:Patient.family=quist": {low["id"]},
        f"subject=Patient/{other['id']}": {low["id"]},
        "subject:missing=true": set(),
        "patient:missing=true": set(),
        "encounter:missing=true": both,
        "category=http://terminology.hl7.org/CodeSystem/observation-category|": both,
        "_lastUpdated=gt2020-01-01": both,
    }.items():
        assert set(await there.fhir.ids(f"Observation?{query}")) == found, query
    assert await there.fhir.ids("Observation?_sort=-date") == [low["id"], high["id"]]
    assert await there.fhir.ids("Patient?_has:Observation:patient:date=2026-04") == [other["id"]]
    back = f"Patient?_id={other['id']}&_revinclude=Observation:patient"
    assert await there.fhir.ids(back, "include") == [low["id"]]
    brought = await there.fhir.ids("Observation?_include=Observation:patient", "include")
    assert set(brought) == {there.patient, other["id"]}
    wrong = await there.fhir.send("GET", "/Observation?value-quantity=x&code-value-quantity=1")
    named = [one["expression"][0] for one in wrong.json()["issue"]]
    assert named == ["value-quantity", "code-value-quantity"]


async def test_pages_of_a_time_end_where_all_are_seen(there: World) -> None:
    days = ["2026-03-02", "2026-03-01", "2026-03-01", None, "2026-02"]
    for day in days:
        made = pressure(there.patient, 120)
        del made["effectiveDateTime"]
        await there.make({**made, **({"effectiveDateTime": day} if day else {})})
    for order in ("date", "-date", "value-date,-date", "_lastUpdated"):
        bundle: Json | None = await there.fhir.search(f"Observation?_sort={order}&_count=2")
        seen = []
        while bundle is not None:
            seen += [one["resource"].get("effectiveDateTime", "") for one in bundle["entry"]]
            bundle = await there.fhir.next(bundle)
        assert sorted(seen) == sorted(one or "" for one in days)
        if order == "-date":
            assert seen == sorted(seen, reverse=True)


# --- against a naive evaluation -----------------------------------------------------------------


_CHOICES = {"Age", "Boolean", "CodeableConcept", "DateTime", "Duration", "Quantity", "Reference"}


def _naive(value: Any, steps: list[str]) -> Iterator[Any]:
    """Yield what an element path leads to; a choice by how its name begins."""
    if isinstance(value, list):
        for one in value:
            yield from _naive(one, steps)
    elif not steps:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        step, _, only = steps[0].partition(":")
        for name, one in value.items():
            rest = name.removeprefix(step)
            if name == step or (name.startswith(step) and rest in _CHOICES and only in {"", rest}):
                yield from _naive(one, steps[1:])


def _paths(search: Search) -> list[list[str]]:
    return [key.partition(".")[2].split(".") for key in search.keys]


def _codes(value: Any) -> set[tuple[str, str]]:
    """Return code and system of whatever has some."""
    if isinstance(value, bool):
        return {("true" if value else "false", "")}
    if isinstance(value, str):
        return {(value, "")}
    if isinstance(value, dict) and "coding" in value:
        return {pair for one in value["coding"] for pair in _codes(one)}
    if isinstance(value, dict):
        code = value.get("code", value.get("value"))
        return {(code, value.get("system", ""))} if isinstance(code, str) else set()
    return set()


def _named(value: Any) -> set[str]:
    return {value["reference"]} if isinstance(value, dict) and "reference" in value else set()


def _candidates(search: Search, made: Json) -> set[Any]:
    found: set[Any] = set()
    for one in (one for path in _paths(search) for one in _naive(made, path)):
        if search.kind == "token":
            found |= _codes(one)
        elif search.kind == "quantity" and isinstance(one, dict) and "value" in one:
            found.add(one["value"])
        elif search.kind == "reference":
            found |= _named(one)
        elif search.kind == "uri" and isinstance(one, str):
            found.add(one)
    return found


def _written(search: Search, wanted: Any) -> str:
    def plain(text: Any) -> str:
        escaped = str(text).replace("\\", "\\\\")
        return escaped.replace(",", "\\,").replace("|", "\\|")

    if search.kind == "token":
        return f"{plain(wanted[1])}|{plain(wanted[0])}"
    return f"eq{wanted:.6f}" if search.kind == "quantity" else plain(wanted)


def _referring(value: Any, dice: random.Random, ids: list[str]) -> Any:
    """Return a resource whose references lead to one of the patients."""
    if isinstance(value, list):
        return [_referring(one, dice, ids) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _referring(one, dice, ids) for name, one in value.items()}
    if isinstance(found.get("reference"), str):
        found["reference"] = f"Patient/{dice.choice(ids)}"
    return found


@pytest.mark.parametrize("name", sorted(searches()))
async def test_a_search_finds_what_a_naive_evaluation_finds(
    clinic: Clinic, there: World, name: str
) -> None:
    dice = thrown(len(name) * 1000 + ord(name[0]))
    patients = [there.patient, (await clinic.patient())["id"]]
    stored: dict[str, Json] = {}
    async with begin(clinic.caller) as tx:
        for number in range(8):
            made = _referring(resource(name, dice, 0.8), dice, patients)
            whose = patient_path(name)
            if whose is not None:
                made[whose[0]] = to(f"Patient/{patients[number % 2]}")
            made.pop("contained", None)
            stored[str(await actions.create(tx, KINDS, made))] = made
    asked = 0
    for search in searches()[name].values():
        if search.kind not in {"token", "quantity", "reference", "uri"}:
            continue
        targets = getattr(KINDS[name].parameters[search.name], "targets", {"Patient": ""})
        if "Patient" not in targets:  # as all that is made here refers to
            continue
        known = sorted({one for made in stored.values() for one in _candidates(search, made)})
        for wanted in known[:2]:
            found = await _found(there, name, search.name, _written(search, wanted))
            expected = {one for one, made in stored.items() if wanted in _candidates(search, made)}
            assert found == expected, (search.name, wanted)
            asked += 1
    assert asked > (2 if name in CLINICS else 5)


async def _found(there: World, name: str, parameter: str, value: str) -> set[str]:
    form = {parameter: value, "_count": "100"}
    # Not through `Server`: what is made at random is against many a rule.
    answer = await there.fhir.clinic.http.post(f"/fhir/{name}/_search", data=form)
    assert answer.status_code == 200, (parameter, value, answer.text)
    return {one["resource"]["id"] for one in answer.json().get("entry", [])}


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)).map(  # noqa: DTZ001  UTC below
    lambda one: one.replace(microsecond=0, tzinfo=UTC)
)


@given(start=MOMENTS, hours=st.integers(0, 9000))
def test_a_period_begins_before_it_ends_whatever_is_open(start: datetime, hours: int) -> None:
    end = start + timedelta(hours=hours)
    here = zone("America/New_York")
    said = {"start": start.isoformat(), "end": end.isoformat()}
    second = timedelta(seconds=1)
    assert list(indexing.spans(said, here)) == [(start, end + second)]
    assert list(indexing.spans({"start": said["start"]}, here)) == [(start, indexing.LATEST)]
    assert list(indexing.spans({"end": said["end"]}, here)) == [(indexing.EARLIEST, end + second)]
    day = {"start": start.date().isoformat(), "end": end.date().isoformat()}
    [(low, high)] = indexing.spans(day, here)
    assert high - low >= timedelta(hours=23)


@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(searches())))
def test_what_is_stored_is_what_was_said(seed: int, name: str) -> None:
    made = resource(name, thrown(seed), 0.6)
    made.pop("id", None)
    made.pop("meta", None)
    made = _referring(made, thrown(seed), [str(UUID(int=1))])
    path = patient_path(name)
    kept = indexing.kept(made, whose=made.get(path[0]) if path else None, base="")
    assert _without_display(kept) == _without_display(made)
    place = indexing.Place("", zone("America/New_York"), lambda value: value)
    for row in indexing.index(made, place):
        assert row["path"].startswith(f"{name}.")
        assert "low" not in row or row["low"] < row["high"] or "effectivePeriod" in str(made)


def _without_display(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_display(one) for one in value]
    if not isinstance(value, dict):
        return value
    dropped = {"display", "_display"} if "reference" in value else set()
    return {name: _without_display(one) for name, one in value.items() if name not in dropped}
