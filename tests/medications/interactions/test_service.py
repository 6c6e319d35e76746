"""CDS Hooks: what is asked of a real server on loopback, and what follows from its answers."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from chroniccare.medications.interactions import service
from chroniccare.platform import postgres
from chroniccare.platform.postgres import Command, begin, database
from chroniccare.settings import SettingsError, load
from tests.client import Clinic
from tests.medications.interactions.support import check, take

CARD = {"summary": "Do not.", "indicator": "critical", "source": {"label": "Acme Drug Data"}}


@dataclass(slots=True)
class Server:
    """A server that keeps what it was asked and answers as it is told."""

    status: int = 200
    body: bytes = b'{"cards": []}'
    delay_s: float = 0.0
    cut: bool = False
    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length:")[2].split("\r\n")[0])
        self.heads.append(head)
        self.asked.append(json.loads(await reader.readexactly(length)))
        self.during()
        await asyncio.sleep(self.delay_s)
        if not self.cut:
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                % (self.status, len(self.body), self.body)
            )
        writer.close()

    def says(self, *cards: Any) -> None:
        self.body = json.dumps({"cards": cards}).encode()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


@pytest.fixture
async def cds(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server that the settings name."""
    del clinic
    async with serving(Server()) as server:
        held = database()
        url = f"http://127.0.0.1:{server.port}/cds-services/interactions"
        update = {"cds_hooks_url": url, "cds_hooks_seconds": 1}
        monkeypatch.setattr(held, "settings", held.settings.model_copy(update=update))
        yield server


async def ask(clinic: Clinic, patient: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"rxnorm_code": "29046", "prescribing_provider_id": str(uuid4()), **fields}
    return await check(clinic, patient, "lisinopril", **body)


async def test_the_request_is_the_standards_and_holds_no_more_than_is_needed(
    clinic: Clinic, cds: Server
) -> None:
    patient = await clinic.patient()
    await take(clinic, patient, "metformin")
    provider = str(uuid4())
    found = await ask(clinic, patient, prescribing_provider_id=provider)
    assert found["service"] == {"status": "answered", "reason": None}
    assert found["status"] == "ok"
    [asked] = cds.asked
    instance = asked["hookInstance"]
    assert asked == {
        "hook": "order-sign",
        "hookInstance": instance,
        "context": {
            "userId": f"Practitioner/{provider}",
            "patientId": patient["id"],
            "draftOrders": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [
                    {
                        "resource": {
                            "resourceType": "MedicationRequest",
                            "id": instance,
                            "status": "draft",
                            "intent": "order",
                            "medicationCodeableConcept": {
                                "text": "lisinopril",
                                "coding": [
                                    {
                                        "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                                        "code": "29046",
                                    }
                                ],
                            },
                            "subject": {"reference": f"Patient/{patient['id']}"},
                            "requester": {"reference": f"Practitioner/{provider}"},
                        }
                    }
                ],
            },
        },
    }
    said = json.dumps(asked)
    for secret in (patient["last_name"], patient["mrn"], patient["date_of_birth"], clinic.key):
        assert secret not in said + cds.heads[0]


async def test_cards_become_findings(clinic: Clinic, cds: Server) -> None:
    patient = await clinic.patient()
    cds.says(
        {**CARD, "summary": "For your information.", "indicator": "info"},
        {**CARD, "detail": "Long words.", "suggestions": [{"label": "Another drug"}]},
        {**CARD, "summary": "Watch\x00 it.\u202e", "indicator": "warning"},
    )
    found = await ask(clinic, patient)
    assert [(one["severity"], one["text"], one["needs_override"]) for one in found["findings"]] == [
        ("contraindicated", "Do not.", True),
        ("warning", "Watch it.", False),
        ("info", "For your information.", False),
    ]
    assert {one["citation"] for one in found["findings"]} == {"Acme Drug Data"}
    assert (found["status"], found["override_needed"]) == ("findings", True)


async def test_what_the_tables_here_know_stands_beside_what_the_service_says(
    clinic: Clinic, cds: Server
) -> None:
    patient = await clinic.patient()
    await take(clinic, patient, "phenelzine")
    cds.says(CARD)
    provider = str(uuid4())
    found = await check(clinic, patient, "fluoxetine", prescribing_provider_id=provider)
    assert [one["kind"] for one in found["findings"]] == ["interaction", "service"]


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "slow": ({"delay_s": 1.5}, "timeout"),
    "error": ({"status": 500}, "status_500"),
    "away": ({"status": 503, "body": b""}, "status_503"),
    "not found": ({"status": 404}, "status_404"),
    "moved": ({"status": 307}, "status_307"),
    "hangs up": ({"cut": True}, "disconnected"),
    "no JSON": ({"body": b"<html>"}, "malformed"),
    "a list": ({"body": b"[]"}, "malformed"),
    "no cards": ({"body": b'{"cards": {}}'}, "malformed"),
    "a card of text": ({"body": b'{"cards": ["no"]}'}, "malformed"),
    "no summary": ({"body": json.dumps({"cards": [{**CARD, "summary": 1}]}).encode()}, "malformed"),
    "odd indicator": (
        {"body": json.dumps({"cards": [{**CARD, "indicator": "hard-stop"}]}).encode()},
        "malformed",
    ),
    "no source": (
        {"body": json.dumps({"cards": [{**CARD, "source": None}]}).encode()},
        "malformed",
    ),
    "too many": ({"body": json.dumps({"cards": [CARD] * 51}).encode()}, "malformed"),
    "too large": ({"body": b'{"cards": [], "x": "' + b"x" * 100_000 + b'"}'}, "malformed"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_service_that_does_not_answer_as_it_should_stops_nobody(
    clinic: Clinic, cds: Server, name: str
) -> None:
    fields, reason = BROKEN[name]
    for key, value in fields.items():
        setattr(cds, key, value)
    patient = await clinic.patient()
    found = await ask(clinic, patient)
    assert found["service"] == {"status": "not_answered", "reason": reason}
    assert (found["status"], found["override_needed"]) == ("ok", False)


async def test_a_service_that_cannot_be_reached_stops_nobody(
    clinic: Clinic, cds: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    del cds
    held = database()
    url = {"cds_hooks_url": "http://127.0.0.1:9/cds-services/x"}
    monkeypatch.setattr(held, "settings", held.settings.model_copy(update=url))
    found = await ask(clinic, await clinic.patient())
    assert found["service"] == {"status": "not_answered", "reason": "unreachable"}


async def test_no_transaction_is_open_while_the_service_is_waited_for(
    clinic: Clinic, cds: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted at every begin and end in this process, at the moment the request arrives."""
    patient = await clinic.patient()
    open_now, seen = [0], []
    enter, leave = postgres._Begin.__aenter__, postgres._Begin.__aexit__

    async def counted_enter(self: Any) -> Any:
        open_now[0] += 1
        return await enter(self)

    async def counted_leave(self: Any, *error: Any) -> None:
        await leave(self, *error)
        open_now[0] -= 1

    monkeypatch.setattr(postgres._Begin, "__aenter__", counted_enter)
    monkeypatch.setattr(postgres._Begin, "__aexit__", counted_leave)
    cds.during = lambda: seen.append(open_now[0])
    await ask(clinic, patient)
    assert seen == [0]


async def test_nothing_is_sent_of_strangers_nor_without_a_prescriber_nor_when_it_is_off(
    clinic: Clinic, other_clinic: Clinic, cds: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, stranger = await clinic.patient(), await other_clinic.patient()
    body = {"name": "lisinopril", "prescribing_provider_id": str(uuid4())}
    refused = await clinic.post(f"/patients/{stranger['id']}/medications/check", body)
    assert refused.status_code == 404
    unnamed = await ask(clinic, patient, prescribing_provider_id=None)
    assert unnamed["service"]["status"] == "not_asked"
    held = database()
    off = held.settings.model_copy(update={"interaction_checks": "off"})
    monkeypatch.setattr(held, "settings", off)
    assert (await ask(clinic, patient))["service"]["status"] == "off"
    assert cds.asked == []


async def test_merging_changes_no_result_that_was_stored(clinic: Clinic) -> None:
    patient = await clinic.patient()
    found: dict[str, object] = dict(await check(clinic, patient, "metformin"))
    kept = json.dumps(found)
    again = service.merged(found, service.Advice())
    assert json.dumps(found) == kept
    assert again == found
    async with begin(clinic.caller) as tx:  # it is JSON that a row can hold
        assert await tx.value(Command("SELECT $1::jsonb ->> 'status'"), again) == "ok"


def test_the_client_is_not_loaded_before_a_service_is_asked() -> None:
    script = (
        "import sys, chroniccare.medications.interactions.api;"
        "sys.exit('aiohttp' in sys.modules or 'simple_icd_10_cm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("url", ["ftp://cds.example", "cds.example", "http://u:p@cds.example"])
def test_an_address_that_is_none_is_refused_at_start(url: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_CDS_HOOKS_URL"):
        load({"CHRONICCARE_CDS_HOOKS_URL": url})


async def test_whoever_prescribes_hears_what_the_service_says(clinic: Clinic, cds: Server) -> None:
    provider = await clinic.provider()
    path = f"/patients/{(await clinic.patient())['id']}/medications"
    body: dict[str, Any] = {
        "medication_name": "Lisinopril",
        "sig": "1 tablet by mouth once a day",
        "start_date": "2026-12-01",
        "prescribing_provider_id": provider["id"],
    }
    cds.says(CARD)
    refused = await clinic.post(path, body)
    assert refused.json()["error"]["code"] == "CONTRAINDICATED"
    body["override"] = {"reason": "Cardiology agrees."}
    made = await clinic.make(path, body)
    assert [one["kind"] for one in made["interaction_check"]["findings"]] == ["service"]
    del body["override"]
    cds.says({**CARD, "indicator": "warning"})
    changed = await clinic.put(f"/medications/{made['id']}", {**body, "refills_remaining": 2})
    assert changed.json()["data"]["interaction_check"]["service"]["status"] == "answered"
    draft = await clinic.make(path, {**body, "medication_name": "Metformin", "status": "draft"})
    cds.says(CARD)
    answer = await clinic.post(f"/medications/{draft['id']}/activate", {"override": None})
    assert answer.json()["error"]["code"] == "CONTRAINDICATED"
    assert len(cds.asked) == 5
