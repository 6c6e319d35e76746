"""Wire shapes of prescriptions."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.codes.schemas import Rxcui
from chroniccare.core.fields import Day, Document, Instant, Line, Name, Paragraph, Wire, Word
from chroniccare.medications.dosing.schemas import (
    DOSAGE_EXAMPLE,
    Caution,
    Dosage,
    InWords,
    Route,
)
from chroniccare.medications.interactions.schemas import Check

Status = Literal["draft", "active", "on_hold", "stopped", "completed"]
_TODAY = "2026-12-01"


class Override(Wire):
    """A contraindicated finding set aside; needs the scope `medications:override`."""

    reason: Annotated[
        Line,
        Field(
            description="Why all the same, for the audit.",
            examples=["Cardiology agrees; QT interval is watched."],
        ),
    ]


class MedicationWrite(Wire):
    """A prescription as a client writes it.

    How it is taken is given once: as `dosage_instructions`, or as `sig`, or by `frequency` alone.
    """

    medication_name: Annotated[
        Line, Field(description="Name on the prescription.", examples=["Metformin 500 mg tablet"])
    ]
    generic_name: Annotated[
        Line | None, Field(description="Name of the ingredient.", examples=["metformin"])
    ] = None
    rxnorm_code: Annotated[
        Rxcui | None, Field(description="RXCUI: up to 8 digits.", examples=["861007"])
    ] = None
    drug_class: Annotated[
        Word | None,
        Field(description="What its threshold of adherence goes by.", examples=["antidiabetic"]),
    ] = None
    dosage: Annotated[
        Name | None,
        Field(description="Amount at a time; as the instructions say unless told.",
              examples=["1 tablet"]),
    ] = None  # fmt: skip
    strength: Annotated[
        Word | None, Field(description="Strength of one unit.", examples=["500 mg"])
    ] = None
    route: Annotated[
        Route | None, Field(description="By which way; may be in the instructions.",
                            examples=["oral"])
    ] = None  # fmt: skip
    frequency: Annotated[
        Name | None,
        Field(description="How often, in words; read as `sig` if there is nothing else.",
              examples=["twice a day"]),
    ] = None  # fmt: skip
    sig: Annotated[
        Paragraph | None,
        Field(description="Sig text; in the place of `dosage_instructions`.", examples=[None]),
    ] = None
    dosage_instructions: Annotated[
        Annotated[list[Dosage], Field(min_length=1, max_length=20)] | None,
        Field(description="FHIR R4 Dosage, in order.", examples=[[DOSAGE_EXAMPLE]]),
    ] = None
    schedule_details: Annotated[
        Document, Field(description="Free form, for people; plans nothing.", examples=[{}])
    ] = {}
    start_date: Annotated[
        Day, Field(description="First day, where the patient lives.", examples=[_TODAY])
    ]
    end_date: Annotated[
        Day | None, Field(description="Last day; as the instructions say.", examples=["2027-11-30"])
    ] = None
    is_ongoing: Annotated[
        bool, Field(description="True: without an end, on purpose.", examples=[False])
    ] = False
    pharmacy_info: Annotated[
        Document, Field(description="Pharmacy.", examples=[{"name": "Main St Pharmacy"}])
    ] = {}
    refills_remaining: Annotated[
        int, Field(ge=0, le=99, description="Refills left.", examples=[3])
    ] = 0
    days_supply: Annotated[
        int | None, Field(ge=1, le=400, description="Days that one fill lasts.", examples=[90])
    ] = None
    special_instructions: Annotated[
        Document, Field(description="Instructions, free form.", examples=[{"note": "Do not crush"}])
    ] = {}
    side_effects_to_monitor: Annotated[
        list[Line], Field(max_length=50, description="Side effects.", examples=[["nausea"]])
    ] = []
    prescribing_provider_id: Annotated[UUID, Field(description="Who prescribes; active.")]
    adherence_threshold: Annotated[
        int | None,
        Field(ge=1, le=100, description="Percent; the class's unless told.", examples=[80]),
    ] = None
    reminders: Annotated[
        bool, Field(description="False: the patient is not reminded.", examples=[True])
    ] = True
    override: Annotated[
        Override | None, Field(description="Sets a contraindicated finding aside.", examples=[None])
    ] = None


class MedicationCreate(MedicationWrite):
    """A new prescription."""

    status: Annotated[
        Literal["draft", "active"],
        Field(description="A draft is not taken yet.", examples=["active"]),
    ] = "active"


class MedicationChange(MedicationWrite):
    """A prescription as it is to be; a change of how it is taken may hold from later on."""

    effective_at: Annotated[
        Instant | None,
        Field(description="UTC instant from which it is taken so; now unless told.",
              examples=[None]),
    ] = None  # fmt: skip
    effective_on: Annotated[
        Day | None,
        Field(description="Local day from which it is taken so, in its place.", examples=[None]),
    ] = None


class Stop(Wire):
    """Why a prescription is stopped."""

    reason: Annotated[Line, Field(description="Why.", examples=["Cough"])]


class Hold(Wire):
    """Until when a prescription is on hold."""

    hold_until: Annotated[
        Day | None,
        Field(
            description="First local day on which it is taken again; null: until it is resumed.",
            examples=["2027-01-15"],
        ),
    ]


class Activation(Wire):
    """What activating a draft may need."""

    override: Annotated[
        Override | None,
        Field(description="Sets a contraindicated finding aside; null: none.", examples=[None]),
    ]


class Regimen(Wire):
    """How a prescription is taken, from one change to the next."""

    version: Annotated[int, Field(description="1, 2, 3, ...", examples=[1])]
    dosage_instructions: Annotated[list[Dosage], Field(description="FHIR R4 Dosage.")]
    in_words: Annotated[InWords, Field(description="The same in plain words.")]
    starts_on: Annotated[Day, Field(description="First local day.")]
    ends_on: Annotated[Day | None, Field(description="Last local day.")]
    effective_from: Annotated[Instant, Field(description="UTC instant it holds from.")]
    effective_until: Annotated[Instant | None, Field(description="UTC instant it holds before.")]


class Medication(Wire):
    """A prescription as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID, Field(description="Who takes it.")]
    prescribing_provider_id: Annotated[UUID, Field(description="Who prescribes.")]
    medication_name: Annotated[str, Field(description="Name on the prescription.")]
    generic_name: Annotated[str | None, Field(description="Name of the ingredient.")]
    rxnorm_code: Annotated[str | None, Field(description="RXCUI.")]
    drug_class: Annotated[str | None, Field(description="Class.")]
    dosage: Annotated[str, Field(description="Amount at a time.")]
    strength: Annotated[str | None, Field(description="Strength of one unit.")]
    route: Annotated[Route, Field(description="By which way.")]
    frequency: Annotated[str, Field(description="How often, in words.")]
    sig: Annotated[str | None, Field(description="Sig text as it was written.")]
    schedule_details: Annotated[dict[str, Any], Field(description="Free form.")]
    start_date: Annotated[Day, Field(description="First local day.")]
    end_date: Annotated[Day | None, Field(description="Last local day.")]
    is_ongoing: Annotated[bool, Field(description="Without an end, on purpose.")]
    as_needed: Annotated[bool, Field(description="Taken as needed: never planned.")]
    pharmacy_info: Annotated[dict[str, Any], Field(description="Pharmacy.")]
    refills_remaining: Annotated[int, Field(description="Refills left.")]
    days_supply: Annotated[int | None, Field(description="Days that one fill lasts.")]
    special_instructions: Annotated[dict[str, Any], Field(description="Free form.")]
    side_effects_to_monitor: Annotated[list[str], Field(description="Side effects.")]
    adherence_threshold: Annotated[int | None, Field(description="Percent.")]
    reminders: Annotated[bool, Field(description="Whether the patient is reminded.")]
    override: Annotated[
        dict[str, Any] | None,
        Field(description="Reason, by whom and when a finding was set aside."),
    ]
    status: Annotated[Status, Field(description="State.")]
    hold_until: Annotated[Day | None, Field(description="First local day it is taken again.")]
    stop_reason: Annotated[str | None, Field(description="Why it was stopped.")]
    stopped_at: Annotated[Instant | None, Field(description="UTC instant it was stopped.")]
    regimen_version: Annotated[int, Field(description="Number of the newest regimen.")]
    dosage_instructions: Annotated[list[Dosage], Field(description="Of the newest regimen.")]
    effective_from: Annotated[Instant, Field(description="UTC instant it holds from.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]
    in_words: Annotated[InWords, Field(description="How it is taken, in plain words.")]
    warnings: Annotated[list[Caution], Field(description="What is error-prone in its texts.")]
    interaction_check: Annotated[
        Check | None,
        Field(description="What a change was checked for; null when it is only read."),
    ]
