"""What /fhir/metadata says of each type is what the type does, and nothing else."""

from typing import Any
from uuid import uuid4

from chroniccare.fhir.capability import APART
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.stored.table import searches
from tests.fhir.server import Server
from tests.fhir.test_patching import operation

PATCH = {
    "resourceType": "Parameters",
    "parameter": [operation("replace", "Patient.gender", value="other")],
}
NOTHING = str(uuid4())


async def statuses(fhir: Server, name: str) -> dict[str, int]:
    """Return what comes of each interaction with a record that is not there."""
    none = {"resourceType": name, "id": NOTHING}
    asked: dict[str, tuple[str, str, Any]] = {
        "read": ("GET", f"/{name}/{NOTHING}", None),
        "head": ("HEAD", f"/{name}/{NOTHING}", None),
        "search-type": ("GET", f"/{name}?_id={NOTHING}", None),
        "vread": ("GET", f"/{name}/{NOTHING}/_history/1", None),
        "history-instance": ("GET", f"/{name}/{NOTHING}/_history", None),
        "history-type": ("HEAD", f"/{name}/_history", None),
        "create": ("POST", f"/{name}", {**none, "nonsense": 1}),
        "update": ("PUT", f"/{name}/{NOTHING}", {**none, "nonsense": 1}),
        "conditionalUpdate": ("PUT", f"/{name}?_id={NOTHING}", {**none, "nonsense": 1}),
        "patch": ("PATCH", f"/{name}/{NOTHING}", PATCH),
        "conditionalPatch": ("PATCH", f"/{name}?_id={NOTHING}", PATCH),
        "delete": ("DELETE", f"/{name}/{NOTHING}", None),
        "conditionalDelete": ("DELETE", f"/{name}?_id={NOTHING}", None),
    }
    found = {}
    for what, (method, path, body) in asked.items():
        # A refused HEAD has no OperationOutcome to be judged.
        send = fhir.clinic.http.request if method == "HEAD" else fhir.send
        before = "/fhir" if method == "HEAD" else ""
        found[what] = (await send(method, before + path, json=body)).status_code
    return found


async def test_metadata_says_what_there_is(fhir: Server) -> None:
    told = (await fhir.send("GET", "/metadata")).json()["rest"][0]["resource"]
    assert {one["type"] for one in told} == {*KINDS, *APART}
    for said in told:
        if said["type"] in APART:
            codes = {one["code"] for one in said["interaction"]}
            assert codes.isdisjoint({"patch", "vread", "history-instance", "history-type"})
        else:
            check(said, await statuses(fhir, said["type"]))


def check(said: dict[str, Any], found: dict[str, int]) -> None:
    """Check what a type does against what is said of it."""
    name, does = said["type"], {one["code"] for one in said["interaction"]}
    assert (found["read"], found["head"], found["search-type"]) == (404, 404, 200)
    for what, status in (
        ("vread", 404), ("history-instance", 404), ("history-type", 200), ("create", 400),
        ("update", 400), ("patch", 404), ("delete", 404),
    ):  # fmt: skip
        assert found[what] == (status if what in does else 405), (what, found)
    makes = "create" in does and name != "AppointmentResponse"  # an answer is given, or not
    assert said["conditionalCreate"] is makes
    assert found["conditionalUpdate"] == (400 if said["conditionalUpdate"] else 405)
    assert found["conditionalPatch"] == (404 if "patch" in does else 405)
    knows = {"Practitioner", "Location", "HealthcareService", *searches()}
    assert (said["conditionalRead"] == "full-support") is (name in knows)
    is_single = said["conditionalDelete"] == "single"
    assert found["conditionalDelete"] == (204 if is_single else 405)
