"""What an operator may change about medications: a part of `settings.Settings`."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class CareSettings(BaseModel):
    """Doses, reminders of them, adherence, and checks of prescriptions."""

    dose_plan_days: Annotated[
        int,
        Field(ge=2, le=60, description="Days for which doses of medications are planned ahead."),
    ] = 14
    dose_reminder_hours: Annotated[
        int,
        Field(
            ge=1,
            le=168,
            description="Hours ahead for which reminders of doses are written down; doses further "
            "off have none yet.",
        ),
    ] = 36
    dose_bundle_minutes: Annotated[
        int, Field(ge=0, le=120, description="Minutes within which doses are told in one message.")
    ] = 30
    adherence_caregiver_misses: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Doses in a row not taken, while adherence is low, after which caregivers "
            "are written to once more; 0: never.",
        ),
    ] = 5
    adherence_care_team_misses: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="The same for a further task for the care team, of high priority; 0: "
            "never.",
        ),
    ] = 8
    interaction_checks: Annotated[
        Literal["on", "off"],
        Field(description="Whether drugs are checked against what the patient takes."),
    ] = "on"
    cds_hooks_url: Annotated[
        str, Field(description="Service of CDS Hooks that is asked on `order-sign`. Empty: none.")
    ] = ""
    cds_hooks_seconds: Annotated[
        int, Field(ge=1, le=10, description="Seconds that its answer is waited for.")
    ] = 3
