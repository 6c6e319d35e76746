"""What patients of the demo clinic take, by diagnosis: common drugs, none of which meet badly."""

from datetime import date
from typing import Any
from uuid import UUID

from chroniccare.medications.schemas import MedicationCreate

PATIENTS = 40
"""So many of the first patients take something."""
# ICD-10-CM code, name, ingredient, class, strength, sig.
_TAKEN = (
    ("E11", "Metformin 500 mg tablet", "metformin", "antidiabetic", "500 mg",
     "1 tablet by mouth twice a day with meals"),
    ("E10", "Insulin glargine 100 units/mL", "insulin glargine", "insulin", "100 units/mL",
     "20 units under the skin at bedtime"),
    ("I10", "Amlodipine 5 mg tablet", "amlodipine", "antihypertensive", "5 mg",
     "1 tablet by mouth in the morning"),
    ("E78", "Atorvastatin 20 mg tablet", "atorvastatin", "statin", "20 mg",
     "1 tablet by mouth at bedtime"),
    ("J44", "Tiotropium 2.5 mcg inhaler", "tiotropium", "inhaled", "2.5 mcg",
     "2 puffs by inhalation once a day"),
    ("J45", "Albuterol 90 mcg inhaler", "albuterol", "inhaled", "90 mcg",
     "2 puffs by inhalation every 4 to 6 hours as needed for wheezing"),
    ("E03", "Levothyroxine 50 mcg tablet", "levothyroxine", "thyroid", "50 mcg",
     "1 tablet by mouth 30 minutes before breakfast"),
    ("I25", "Rosuvastatin 10 mg tablet", "rosuvastatin", "statin", "10 mg",
     "1 tablet by mouth at bedtime"),
    ("M06", "Hydroxychloroquine 200 mg tablet", "hydroxychloroquine", "antirheumatic", "200 mg",
     "1 tablet by mouth twice a day"),
    ("F33", "Sertraline 50 mg tablet", "sertraline", "antidepressant", "50 mg",
     "1 tablet by mouth in the morning"),
)  # fmt: skip


def prescriptions(codes: list[str], *, provider_id: UUID, start: date) -> list[MedicationCreate]:
    """Return what a patient with these ICD-10-CM codes takes from `start` on."""
    return [
        MedicationCreate.model_validate(_body(taken) | {
            "prescribing_provider_id": provider_id, "start_date": start,
        })
        for taken in _TAKEN
        if any(code.startswith(taken[0]) for code in codes)
    ]  # fmt: skip


def _body(taken: tuple[str, ...]) -> dict[str, Any]:
    _, name, generic, kind, strength, sig = taken
    return {
        "medication_name": name, "generic_name": generic, "drug_class": kind, "strength": strength,
        "sig": sig, "is_ongoing": True, "days_supply": 90, "refills_remaining": 3,
    }  # fmt: skip
