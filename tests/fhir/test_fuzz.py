"""Generated requests to every interaction of /fhir: no server error, and only valid answers."""

import json
import os
from pathlib import Path

import pytest

from tests.client import Clinic
from tests.fhir.fuzzing.sending import Fuzzer, attempt
from tests.fhir.generated import thrown
from tests.fhir.server import Server, everything
from tests.fhir.stored.made import each

CASES = int(os.environ.get("CHRONICCARE_FHIR_FUZZ_CASES", "700"))
"""Requests of each part; `python -m tests.chaos.fuzz --fhir` asks for more."""
PARTS = int(os.environ.get("CHRONICCARE_FHIR_FUZZ_PARTS", "1"))
SEED = int(os.environ.get("CHRONICCARE_FHIR_FUZZ_SEED", "1"))
TALLY = os.environ.get("CHRONICCARE_FUZZ_TALLY")
_MOST = 20
"""Faults that are told of a part."""


async def fuzzer_of(fhir: Server, seed: int) -> Fuzzer:
    """Return requests that aim at records of every type."""
    await everything(fhir.clinic)
    await each(fhir)
    statement = (await fhir.send("GET", "/metadata")).json()
    records = {}
    for one in statement["rest"][0]["resource"]:
        name = one["type"]
        query = "start=2027-01-04" if name == "Slot" else ""
        found = (await fhir.search(f"{name}?_count=8&{query}")).get("entry", [])
        records[name] = [entry["resource"] for entry in found]
    return Fuzzer(thrown(seed), statement, records)


def tally(name: str, answers: dict[str, int]) -> None:
    if TALLY:
        Path(TALLY, name).write_text(json.dumps(answers))


@pytest.mark.parametrize("part", range(PARTS))
async def test_generated_requests_get_valid_answers(
    clinic: Clinic, fhir: Server, part: int
) -> None:
    fuzzer = await fuzzer_of(fhir, SEED + part)
    faults: list[str] = []
    for number in range(CASES):
        asked = fuzzer.request()
        fault = await attempt(clinic.http, fuzzer, asked)
        if fault:
            faults.append(f"#{number} {asked}\n  {fault}")
        if len(faults) == _MOST:
            break
    tally(f"fhir-{part}", fuzzer.answers)
    assert not faults, "\n\n".join(faults)


@pytest.mark.parametrize("query", ["?=", "?%00=1", "?%20=1", "?a%0Bb=1", "?_sort=%00"])
async def test_what_no_text_may_hold_is_not_told_back(fhir: Server, query: str) -> None:
    for path in (f"/Patient{query}", f"/_history{query}", f"/Slot{query}"):
        assert (await fhir.send("GET", path)).status_code == 400


async def test_a_version_that_is_none_is_refused_in_a_bundle(fhir: Server) -> None:
    said = {"resourceType": "Patient", "meta": {"versionId": ["1"]}}
    one = {"fullUrl": "urn:uuid:0f3a7a4e-5c2b-4c7e-9d2b-0a1b2c3d4e5f", "resource": said,
           "request": {"method": "POST", "url": "Patient"}}  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [one, one]}
    assert (await fhir.send("POST", "", json=bundle)).status_code == 400
