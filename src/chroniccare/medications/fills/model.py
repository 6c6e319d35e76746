"""A fill as the rules read it, and the key of the task that follows from one."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Dispensed:
    """One fill: for how many days, on which local day."""

    filled_on: date
    days_supply: int


def renew_key(medication_id: UUID) -> str:
    """Return the key of the task that asks the prescriber for refills."""
    return f"renew:{medication_id}"
