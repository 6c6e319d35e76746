"""Doses planned ahead: written, moved or given up as regimens and patients change."""

from collections.abc import Sequence
from uuid import UUID

from chroniccare.platform.postgres import Tx


async def replan(tx: Tx, medication_ids: Sequence[UUID]) -> int:
    """Plan the doses of medications afresh, from now on and as far ahead as they are planned."""
    raise NotImplementedError
