"""Routes that a drug is given by: a closed list of common ones with their SNOMED CT codes.

The codes are those of FHIR R4's value set `route-codes`; codes and displays are facts of SNOMED CT.
"""

from dataclasses import dataclass
from typing import Any

SNOMED = "http://snomed.info/sct"


@dataclass(frozen=True, slots=True)
class RouteWords:
    """What SNOMED CT calls a route, and how a patient is told: verb and place."""

    code: str
    display: str
    verb: str
    en: str
    verb_es: str
    es: str


ROUTES: dict[str, RouteWords] = {
    "oral": RouteWords("26643006", "Oral route", "Take", "by mouth", "Tome", "por la boca"),
    "sublingual": RouteWords(
        "37839007", "Sublingual route", "Place", "under the tongue", "Ponga", "debajo de la lengua"
    ),
    "buccal": RouteWords(
        "54471007", "Buccal route", "Place", "inside the cheek", "Ponga", "dentro de la mejilla"
    ),
    "nasal": RouteWords("46713006", "Nasal route", "Use", "in the nose", "Use", "en la nariz"),
    "inhalation": RouteWords(
        "447694001", "Respiratory tract route", "Inhale", "by inhalation", "Inhale",
        "por inhalación",
    ),
    "subcutaneous": RouteWords(
        "34206005", "Subcutaneous route", "Inject", "under the skin", "Inyecte",
        "debajo de la piel",
    ),
    "intramuscular": RouteWords(
        "78421000", "Intramuscular route", "Inject", "into the muscle", "Inyecte", "en el músculo"
    ),
    "intravenous": RouteWords(
        "47625008", "Intravenous route", "Inject", "into the vein", "Inyecte", "en la vena"
    ),
    "intradermal": RouteWords(
        "372464004", "Intradermal route", "Inject", "into the skin", "Inyecte", "dentro de la piel"
    ),
    "topical": RouteWords(
        "6064005", "Topical route", "Apply", "on the skin", "Aplique", "sobre la piel"
    ),
    "transdermal": RouteWords(
        "45890007", "Transdermal route", "Apply", "through the skin", "Aplique",
        "a través de la piel",
    ),
    "ophthalmic": RouteWords(
        "54485002", "Ophthalmic route", "Instill", "into the eye", "Aplique", "en el ojo"
    ),
    "otic": RouteWords(
        "10547007", "Otic route", "Instill", "into the ear", "Aplique", "en el oído"
    ),
    "rectal": RouteWords("37161004", "Per rectum", "Insert", "rectally", "Ponga", "por el recto"),
    "vaginal": RouteWords(
        "16857009", "Per vagina", "Insert", "vaginally", "Ponga", "por la vagina"
    ),
    "intrathecal": RouteWords(
        "72607000", "Intrathecal route", "Inject", "into the spinal canal", "Inyecte",
        "en el canal espinal",
    ),
    "intra_articular": RouteWords(
        "12130007", "Intra-articular route", "Inject", "into the joint", "Inyecte",
        "en la articulación",
    ),
    "gastrostomy": RouteWords(
        "127490009", "Gastrostomy route", "Give", "by gastrostomy tube", "Dé",
        "por sonda de gastrostomía",
    ),
    "nasogastric": RouteWords(
        "127492001", "Nasogastric route", "Give", "by nasogastric tube", "Dé",
        "por sonda nasogástrica",
    ),
}  # fmt: skip
NO_ROUTE = RouteWords("", "", "Use", "", "Use", "")
_BY_CODE = {words.code: name for name, words in ROUTES.items()}


def coded(route: str) -> dict[str, Any]:
    """Return a route as a FHIR CodeableConcept."""
    words = ROUTES[route]
    coding = {"system": SNOMED, "code": words.code, "display": words.display}
    return {"coding": [coding], "text": route}


def named(concept: dict[str, Any]) -> str | None:
    """Return the route that a FHIR CodeableConcept names by code or text; None for none of ours."""
    for coding in concept.get("coding", ()):
        if coding.get("system") == SNOMED and coding.get("code") in _BY_CODE:
            return _BY_CODE[coding["code"]]
    text = str(concept.get("text", "")).lower().replace("-", "_").replace(" ", "_")
    return text.removesuffix("_route") if text.removesuffix("_route") in ROUTES else None
