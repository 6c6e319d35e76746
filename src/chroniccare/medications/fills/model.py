"""A fill as the rules read it."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Dispensed:
    """One fill: for how many days, on which local day."""

    filled_on: date
    days_supply: int
