"""Tasks on paper: which step leads where. Pure."""

from typing import Literal

from chroniccare.core.errors import Conflict, FieldError

Status = Literal["requested", "in-progress", "completed", "cancelled"]
Step = Literal["claim", "release", "complete", "cancel"]

OPEN = frozenset({"requested", "in-progress"})
STEPS: dict[Step, tuple[frozenset[str], Status]] = {
    # Claiming it again hands it to somebody else: colleagues take over from each other.
    "claim": (OPEN, "in-progress"),
    "release": (frozenset({"in-progress"}), "requested"),
    "complete": (OPEN, "completed"),
    "cancel": (OPEN, "cancelled"),
}
"""Every step there is: the states it can be taken from, and the state it leads to."""


class TaskState(Conflict):
    """The task is in a state from which this step cannot be taken."""

    code = "TASK_STATE"

    def __init__(self, status: str) -> None:
        super().__init__(
            f"The task is {status}.", details=[FieldError("status", f"is {status}", status)]
        )


def next_status(step: Step, status: str) -> Status:
    """Return the state that `step` leads to from `status`.

    Raises:
        TaskState: not from this one.
    """
    sources, target = STEPS[step]
    if status not in sources:
        raise TaskState(status)
    return target
