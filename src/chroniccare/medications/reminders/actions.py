"""Messages about doses: one for those that are due together, given up when none is left."""

from collections.abc import Sequence
from uuid import UUID

from chroniccare.platform.postgres import Tx


async def doses_changed(tx: Tx, patient_ids: Sequence[UUID]) -> None:
    """Bring the messages of patients in line with their doses, which this transaction changed."""
    raise NotImplementedError
