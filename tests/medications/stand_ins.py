"""Stand-ins for the planner and the interaction check until both are merged; then it goes."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from chroniccare.medications import actions, interacting, lifecycle


async def _replan(tx: Any, medication_ids: Sequence[UUID]) -> int:
    del tx, medication_ids
    return 0


async def _check(tx: Any, *, patient_id: UUID, drug: Any, without: UUID | None = None) -> Any:
    del tx, patient_id, drug, without
    return {"status": "ok", "override_needed": False, "findings": []}


@pytest.fixture(scope="session", autouse=True)
def stand_ins() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actions, "replan", _replan)
        patch.setattr(lifecycle, "replan", _replan)
        patch.setattr(interacting, "check", _check)
        yield
