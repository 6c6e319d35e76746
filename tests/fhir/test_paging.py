"""Pages: every record once and in order, by every sort, and cursors of nobody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.fhir.registry import KINDS
from tests.client import Clinic
from tests.fhir.server import Server, visit

FIRST = ("Ann", "Bea", "ann", "Ägnes", "Zoe")
LAST = ("Smith", "Smith", "de la Cruz", "Ng", "Öz")


@pytest.fixture
async def many(clinic: Clinic) -> Server:
    """A clinic with patients whose names and birth dates are often the same."""
    for number in range(9):
        await clinic.patient(
            first_name=FIRST[number % 5],
            last_name=LAST[number * 3 % 5],
            date_of_birth=f"19{60 + number % 2}-01-0{1 + number % 3}",
        )
    provider = await clinic.provider()
    patient = await clinic.patient()
    start = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    for number in range(5):
        at = (start + timedelta(days=20 + number)).isoformat()
        await visit(clinic, provider=provider, patient=patient, scheduled_start=at)
    return Server(clinic)


def sorts(kind: str) -> st.SearchStrategy[list[str]]:
    """Every way to sort a type, down or up."""
    names = [name for name, one in KINDS[kind].parameters.items() if one.sort]
    each = st.tuples(st.sampled_from(names), st.booleans())
    return st.lists(each, max_size=3, unique_by=lambda one: one[0]).map(
        lambda chosen: [("-" if is_down else "") + name for name, is_down in chosen]
    )


KEYS: dict[str, Any] = {
    "_id": lambda one: one["id"],
    "_lastUpdated": lambda one: one["meta"]["lastUpdated"],
    "birthdate": lambda one: one["birthDate"],
    "family": lambda one: one["name"][0]["family"],
    "given": lambda one: one["name"][0]["given"][0],
    "name": lambda one: one["name"][0]["family"],
    "date": lambda one: one["start"],
    "end": lambda one: one["end"],
}


@pytest.mark.parametrize("kind", ["Patient", "Appointment"])
async def test_pages_hold_every_record_once_and_in_order(many: Server, kind: str) -> None:
    everything = sorted(await many.ids(f"{kind}?_count=1000"))

    async def check(by: list[str], count: int) -> None:
        query = f"{kind}?_count={count}" + (f"&_sort={','.join(by)}" if by else "")
        bundle: dict[str, Any] | None = await many.search(query)
        seen: list[dict[str, Any]] = []
        while bundle is not None:
            page = [one["resource"] for one in bundle["entry"]]
            assert 1 <= len(page) <= count
            seen += page
            bundle = await many.next(bundle)
        assert sorted(one["id"] for one in seen) == everything
        for name in reversed(by):
            key = KEYS[name.removeprefix("-")]
            ordered = sorted(seen, key=key, reverse=name.startswith("-"))
            if by[0] == name:  # the others decide among equals
                assert [key(one) for one in ordered] == [key(one) for one in seen]

    for by, count in samples(kind):
        await check(by, count)


def samples(kind: str) -> list[tuple[list[str], int]]:
    """Draw a few searches; Hypothesis cannot wait for a coroutine of the session's loop."""
    found: list[tuple[list[str], int]] = []

    @settings(max_examples=25, database=None, suppress_health_check=list(HealthCheck))
    @given(sorts(kind), st.integers(1, 6))
    def draw(by: list[str], count: int) -> None:
        found.append((by, count))

    draw()
    return found


async def test_who_comes_meanwhile_disturbs_no_page(clinic: Clinic, many: Server) -> None:
    first = await many.search("Patient?_sort=family&_count=4")
    before = {one["resource"]["id"] for one in first["entry"]}
    added = await clinic.patient(last_name="Aa", first_name="New")
    seen: list[str] = []
    page = await many.next(first)
    while page is not None:
        seen += [one["resource"]["id"] for one in page["entry"]]
        page = await many.next(page)
    assert not before & set(seen)
    assert len(before | set(seen)) == 10
    assert added["id"] not in seen


async def test_a_cursor_is_one_searches_and_one_clinics(many: Server, other_fhir: Server) -> None:
    page = await many.search("Patient?_count=2&_sort=family")
    url = page["link"][1]["url"].partition("/fhir/")[2]
    cursor = url.partition("_cursor=")[2]
    assert (await many.send("GET", f"/{url}")).status_code == 200
    for server, query in (
        (many, f"Patient?_count=2&_sort=given&_cursor={cursor}"),
        (many, f"Patient?_count=2&_sort=family&gender=female&_cursor={cursor}"),
        (many, f"Appointment?_cursor={cursor}"),
        (many, f"Patient?_count=2&_sort=family&_cursor={cursor[:-4]}AAAA"),
        (many, "Patient?_cursor=é"),
        (other_fhir, f"Patient?_count=2&_sort=family&_cursor={cursor}"),
    ):
        refused = await server.send("GET", f"/{query}")
        assert refused.status_code == 400
        assert refused.json()["issue"][0]["expression"] == ["_cursor"]
