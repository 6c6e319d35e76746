"""An external service that is asked by CDS Hooks' `order-sign`, before a prescription is written.

Whoever prescribes calls `ask` first and opens the transaction afterwards: none is open while
somebody else's server is waited for (ARCHITECTURE.md). A service that does not answer in time, or
not as it should, never stops anybody; the result says so.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.ids import new_id
from chroniccare.medications.interactions import rules
from chroniccare.medications.interactions.checking import Drug
from chroniccare.medications.interactions.rules_kinds import Severity
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import begin, database

log = logging.getLogger(__name__)

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_SEVERITIES: dict[str, Severity] = {
    "critical": "contraindicated", "warning": "warning", "info": "info"
}  # fmt: skip
_MOST_CARDS = 50
_MOST_TEXT = 1000
_OK = 200


@dataclass(frozen=True, slots=True)
class Advice:
    """What a service said; `reason` says why it did not."""

    status: Literal["off", "not_asked", "answered", "not_answered"] = "off"
    reason: str | None = None
    findings: tuple[rules.Finding, ...] = ()


def is_used() -> bool:
    """Return whether there is a service to ask."""
    settings = database().settings
    return bool(settings.cds_hooks_url) and settings.interaction_checks == "on"


async def ask(caller: Caller, *, patient_id: UUID, provider_id: UUID | None, drug: Drug) -> Advice:
    """Ask the service about a drug for a patient; call it with no transaction open.

    Raises:
        NotFound: no such patient; nothing is sent of one who is not the caller's.
    """
    if not is_used():
        return Advice()
    settings = database().settings
    if provider_id is None:
        return Advice("not_asked")
    async with begin(caller) as tx:
        await patients.get(tx, patient_id)
    body = request(new_id(), patient_id=patient_id, provider_id=provider_id, drug=drug)
    try:
        async with asyncio.timeout(settings.cds_hooks_seconds):
            answer = await _posted(settings.cds_hooks_url, body)
    except TimeoutError:
        return _silent("timeout")
    if isinstance(answer, str):
        return _silent(answer)
    status, said = answer
    if status != _OK:
        return _silent(f"status_{status}")
    found = cards(said)
    return _silent("malformed") if found is None else Advice("answered", None, found)


async def _posted(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | str:
    """Return status and document of the answer, or why there is none."""
    # A third of a second to import, which only those pay who have a service.
    from chroniccare.platform.http import HttpError, Poster  # noqa: PLC0415

    poster = Poster(url, connections=1)
    try:
        answer = await poster.post(body)
    except HttpError as error:
        return error.code
    finally:
        await poster.close()
    return answer.status, answer.body


def _silent(reason: str) -> Advice:
    log.warning("the service of CDS Hooks did not answer", extra={"reason": reason})
    return Advice("not_answered", reason)


def request(instance: UUID, *, patient_id: UUID, provider_id: UUID, drug: Drug) -> dict[str, Any]:
    """Return the request: the order, whose it is and who signs it, and nothing else."""
    concept: dict[str, Any] = {"text": drug.generic_name or drug.name}
    if drug.rxnorm_code:
        concept["coding"] = [{"system": _RXNORM, "code": drug.rxnorm_code}]
    order = {
        "resourceType": "MedicationRequest",
        "id": str(instance),
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": concept,
        "subject": {"reference": f"Patient/{patient_id}"},
        "requester": {"reference": f"Practitioner/{provider_id}"},
    }
    return {
        "hook": "order-sign",
        "hookInstance": str(instance),
        "context": {
            "userId": f"Practitioner/{provider_id}",
            "patientId": str(patient_id),
            "draftOrders": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": order}],
            },
        },
    }


def cards(body: dict[str, Any]) -> tuple[rules.Finding, ...] | None:
    """Return the cards of an answer as findings; None if it is not one of CDS Hooks."""
    listed = body.get("cards")
    if not isinstance(listed, list) or len(listed) > _MOST_CARDS:
        return None
    found = []
    for card in listed:
        if not isinstance(card, dict):
            return None
        summary, severity = card.get("summary"), _SEVERITIES.get(str(card.get("indicator")))
        source = card.get("source")
        label = source.get("label") if isinstance(source, dict) else None
        if not isinstance(summary, str) or severity is None or not isinstance(label, str):
            return None
        text = _clean(summary)
        found.append(rules.Finding("service", severity, (), None, text, _clean(label), None))
    return tuple(found)


def _clean(text: str) -> str:
    """Return text that can be stored: no control characters, of bounded length."""
    kept = "".join(one for one in text if one.isprintable() or one == " ")
    return kept.encode("utf-8", "ignore").decode()[:_MOST_TEXT]


def merged(result: dict[str, object], advice: Advice) -> dict[str, object]:
    """Return the result of `checking.check` with what the service said."""
    return rules.with_service(
        result, status=advice.status, reason=advice.reason, findings=advice.findings
    )
