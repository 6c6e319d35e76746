"""What each stock client does with a server, and what must come of it: one story for all."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhirclient import client as smart  # type: ignore[import-untyped]
from fhirclient.models.bundle import Bundle  # type: ignore[import-untyped]
from fhirclient.models.patient import Patient  # type: ignore[import-untyped]
from fhirclient.server import FHIRNotFoundException  # type: ignore[import-untyped]
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound
from requests import HTTPError

HERE = Path(__file__).parent
MOST = 500
"""Entries of one transaction."""


@dataclass(frozen=True, slots=True)
class Live:
    """A server that runs, and a key of a clinic there."""

    base: str
    key: str


@dataclass(frozen=True, slots=True)
class Came:
    """What a client came upon.

    Attributes:
        version: of the record that it made.
        phone: the number in it after it was replaced, read again.
        changed: the version by then.
        taken: status when another record is made with the same number.
        stale: status when it is replaced by who knows an older version.
        gone: status of a read after it was deleted.
        total: what a count alone says.
        pages: how many a search went through.
        seen: how many different records it found there.
    """

    version: str
    phone: str
    changed: str
    taken: int
    stale: int
    gone: int
    total: int
    pages: int
    seen: int


Client = Callable[[Live, int, int], Came]
"""Goes through the story with so many patients, by pages of so many."""


def expected(count: int, page: int) -> Came:
    """Return what comes of `count` patients who are searched by pages of `page`."""
    return Came("1", "+14155550188", "2", 409, 412, 410, count, -(-count // page), count)


def patient(number: str, family: str) -> dict[str, Any]:
    """Return a patient as a client writes one."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "http://hospital.example/mrn", "value": number,
                        "type": {"coding": [{"code": "MR",
                            "system": "http://terminology.hl7.org/CodeSystem/v2-0203"}]}}],
        "name": [{"family": family, "given": ["Ada"]}],
        "gender": "female",
        "birthDate": "1961-04-12",
        "telecom": [{"system": "phone", "value": "+14155550100"}],
    }  # fmt: skip


def bundles(count: int, family: str) -> list[dict[str, Any]]:
    """Return transactions that make `count` patients of one family name."""
    entries = [
        {
            "resource": patient(f"{family}-{number}", family),
            "request": {"method": "POST", "url": "Patient"},
        }
        for number in range(count)
    ]
    parts = [entries[start : start + MOST] for start in range(0, count, MOST)]
    return [{"resourceType": "Bundle", "type": "transaction", "entry": part} for part in parts]


def with_fhirpy(live: Live, count: int, page: int) -> Came:
    """Go through the story with fhirpy."""
    headers = {"X-API-Key": live.key}
    client = SyncFHIRClient(live.base, extra_headers=headers)
    for one in bundles(count, "Fhirpy"):
        client.execute("", data=one)
    made: Any = client.resource(**_named(patient("FP-1", "Single"))).save()
    version = made["meta"]["versionId"]
    made["telecom"] = [{"system": "phone", "value": "+14155550188"}]
    made.save()
    read: Any = client.reference("Patient", made.id).to_resource()
    taken = stale = gone = 0
    try:
        client.resource(**_named(patient("FP-1", "Other"))).save()
    except OperationOutcome as refused:
        taken = 409 if refused.resource["issue"][0]["code"] == "duplicate" else 0
    late = SyncFHIRClient(live.base, extra_headers={**headers, "If-Match": 'W/"1"'})
    try:
        late.save(
            late.resource("Patient", **{k: v for k, v in read.items() if k != "resourceType"})
        )
    except MultipleResourcesFound:  # its name for 412
        stale = 412
    client.delete("Patient", made.id)
    try:
        client.get("Patient", made.id)
    except ResourceNotFound as refused:
        gone = 410 if "deleted" in str(refused) else 404
    found = client.resources("Patient").search(family="Fhirpy").limit(page)
    ids = [one["id"] for one in found]
    return Came(
        version, read["telecom"][0]["value"], read["meta"]["versionId"], taken, stale, gone,
        client.resources("Patient").search(family="Fhirpy").count(), -(-len(ids) // page),
        len(set(ids)),
    )  # fmt: skip


def _named(resource: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in resource.items() if name != "resourceType"}
    return {"resource_type": "Patient", **fields}


def _status(error: Any) -> int:
    status: int = error.response.status_code
    return status


def with_fhirclient(live: Live, count: int, page: int) -> Came:
    """Go through the story with fhirclient."""
    server = smart.FHIRClient({"app_id": "tests", "api_base": live.base}).server
    server.session.headers["X-API-Key"] = live.key
    for one in bundles(count, "Fhirclient"):
        Bundle(one).create(server)
    made = Patient(Patient(patient("FC-1", "Single")).create(server))
    version = made.meta.versionId
    made.telecom[0].value = "+14155550188"
    made.update(server)
    read = Patient.read(made.id, server)
    taken = stale = gone = 0
    try:
        Patient(patient("FC-1", "Other")).create(server)
    except HTTPError as refused:
        taken = _status(refused)
    server.session.headers["If-Match"] = 'W/"1"'
    try:
        read.update(server)
    except HTTPError as refused:
        stale = _status(refused)
    del server.session.headers["If-Match"]
    read.delete(server)
    try:
        Patient.read(made.id, server)
    except (HTTPError, FHIRNotFoundException) as refused:
        gone = _status(refused)
    pages = list(Patient.where({"family": "Fhirclient", "_count": str(page)}).perform_iter(server))
    ids = {one.resource.id for each in pages for one in each.entry}
    counted = Bundle.read_from("Patient?family=Fhirclient&_summary=count", server)
    return Came(
        version, read.telecom[0].value, read.meta.versionId, taken, stale, gone, counted.total,
        len(pages), len(ids),
    )  # fmt: skip


def with_kit(live: Live, count: int, page: int) -> Came:
    """Go through the story with fhir-kit-client, which needs node and `npm ci` in this folder."""
    told = {"base": live.base, "key": live.key, "page": page, "patient": patient("KC-1", "Single"),
            "bundles": bundles(count, "Kit")}  # fmt: skip
    done = subprocess.run(
        ["node", "kit.mjs"], cwd=HERE, input=json.dumps(told), capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Came(**json.loads(done.stdout))
