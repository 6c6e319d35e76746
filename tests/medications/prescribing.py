"""A patient with a prescriber, and prescriptions for them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.client import Clinic


@dataclass(frozen=True, slots=True)
class Prescribing:
    """Prescriptions of one provider for one patient, who lives in UTC."""

    clinic: Clinic
    patient_id: str
    provider_id: str

    @property
    def path(self) -> str:
        return f"/patients/{self.patient_id}/medications"

    def body(self, **fields: Any) -> dict[str, Any]:
        """Return a prescription, of the drug made last; a field of None is left out."""
        made = {
            "medication_name": f"Testdrug {self.clinic.numbers.get('medication', 0)}",
            "sig": "1 tablet by mouth twice a day",
            "start_date": datetime.now(UTC).date().isoformat(),
            "prescribing_provider_id": self.provider_id,
            **fields,
        }
        return {name: value for name, value in made.items() if value is not None}

    async def make(self, **fields: Any) -> dict[str, Any]:
        """Write a prescription of a drug of its own and return it."""
        self.clinic.number("medication")
        return await self.clinic.make(self.path, self.body(**fields))
