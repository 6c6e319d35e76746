"""What speaks against giving a drug to a patient, as far as the tables here know."""

from dataclasses import dataclass
from uuid import UUID

from chroniccare.platform.postgres import Tx


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug as it is prescribed; `rxnorm_code` is its RXCUI, if known."""

    name: str
    generic_name: str | None
    rxnorm_code: str | None


async def check(
    tx: Tx, *, patient_id: UUID, drug: Drug, without: UUID | None = None
) -> dict[str, object]:
    """Check a drug against what the patient takes and is allergic to, but for one medication."""
    raise NotImplementedError
