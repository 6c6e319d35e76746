"""The words of adherence, which its shapes, its rules and its SQL share."""

from typing import Literal

Status = Literal["taken", "skipped", "missed"]
Source = Literal["patient", "caregiver", "staff", "device", "inference"]
Observer = Literal["patient", "caregiver", "staff", "device"]
"""Who can see whether a dose was taken; inference sees nothing."""
SkipReason = Literal[
    "forgotten", "side_effects", "felt_well", "felt_unwell", "no_supply", "cost", "refused",
    "clinician_advice", "hospital", "other",
]  # fmt: skip
EXCUSED = frozenset({"clinician_advice", "hospital"})
"""Reasons for which a dose was not to be taken: it counts neither way. The column `outcome` has
them as well."""
Code = Literal["t", "l", "s", "e", "m", "i", "o"]
"""taken in time, taken late, skipped, excused, missed as observed, missed as inferred, open."""
Reason = Literal["rate", "missed_doses", "gap"]
"""Why an episode of low adherence began."""
