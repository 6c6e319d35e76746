"""Wire shapes of FHIR R4 Dosage, as far as it is known here, and of sig text.

Names are FHIR's (camelCase). What is not here, such as Timing.event, is refused as unknown.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic import StringConstraints as Str
from pydantic.alias_generators import to_camel

from chroniccare.core.fields import Day, Line, Name, Paragraph, Prose, Wire, Word

_MOST = 1_000_000
Amount = Annotated[float, Field(gt=0, le=_MOST)]
Unit = Literal["s", "min", "h", "d", "wk", "mo", "a"]
DayOfWeek = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Event = Literal[
    "MORN", "NOON", "AFT", "EVE", "NIGHT", "HS", "WAKE",
    "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV",
]  # fmt: skip
Route = Literal[
    "oral", "sublingual", "buccal", "nasal", "inhalation", "subcutaneous", "intramuscular",
    "intravenous", "intradermal", "topical", "transdermal", "ophthalmic", "otic", "rectal",
    "vaginal", "intrathecal", "intra_articular", "gastrostomy", "nasogastric",
]  # fmt: skip
"""Those of `routes.ROUTES`."""
TimeOfDay = Annotated[str, Str(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$")]


class Fhir(Wire):
    """An object of FHIR, whose names are in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel)


class Coding(Fhir):
    """FHIR Coding."""

    system: Annotated[
        Line | None, Field(description="Whose code.", examples=["http://snomed.info/sct"])
    ] = None
    code: Annotated[Name | None, Field(description="The code.", examples=["26643006"])] = None
    display: Annotated[Line | None, Field(description="In words.", examples=["Oral route"])] = None


class CodeableConcept(Fhir):
    """FHIR CodeableConcept."""

    coding: Annotated[list[Coding], Field(max_length=5, description="Codes of it.")] = []
    text: Annotated[Line | None, Field(description="In words.", examples=["oral"])] = None


class Quantity(Fhir):
    """FHIR Quantity, more than nothing."""

    value: Annotated[Amount, Field(description="How much; more than 0.", examples=[1])]
    unit: Annotated[Word | None, Field(description="Of what.", examples=["tablet"])] = None
    system: Annotated[
        Line | None, Field(description="Whose code.", examples=["http://unitsofmeasure.org"])
    ] = None
    code: Annotated[Word | None, Field(description="Code of the unit.", examples=["mg"])] = None


class Duration(Fhir):
    """FHIR Duration that comes to whole days."""

    value: Annotated[Amount, Field(description="How long, in the unit.", examples=[7])]
    unit: Annotated[Word | None, Field(description="`d`, `wk`, or `h` by 24.", examples=["d"])] = (
        None
    )
    system: Annotated[
        Line | None, Field(description="Whose code.", examples=["http://unitsofmeasure.org"])
    ] = None
    code: Annotated[Word | None, Field(description="Code of the unit.", examples=["d"])] = None


class Period(Fhir):
    """FHIR Period of local days."""

    start: Annotated[Day | None, Field(description="First local day.", examples=["2026-12-01"])] = (
        None
    )
    end: Annotated[Day | None, Field(description="Last local day.", examples=["2026-12-10"])] = None


class Ratio(Fhir):
    """FHIR Ratio: so much in 24 hours."""

    numerator: Annotated[Quantity, Field(description="The most, in the dose's unit or `{dose}`.")]
    denominator: Annotated[Quantity, Field(description="24 `h` or 1 `d`.")]


class Repeat(Fhir):
    """FHIR Timing.repeat."""

    bounds_period: Annotated[
        Period | None, Field(description="From when to when; stored as a length in days.")
    ] = None
    bounds_duration: Annotated[Duration | None, Field(description="For how long.")] = None
    count: Annotated[
        int | None, Field(ge=1, le=10_000, description="Doses in all.", examples=[14])
    ] = None
    count_max: Annotated[
        int | None, Field(ge=1, le=10_000, description="A range, so refused.", examples=[16])
    ] = None
    duration: Annotated[
        Amount | None, Field(description="How long one dose takes.", examples=[30])
    ] = None
    duration_max: Annotated[
        Amount | None, Field(description="How long at most.", examples=[60])
    ] = None
    duration_unit: Annotated[
        Unit | None, Field(description="Unit of `duration`.", examples=["min"])
    ] = None
    frequency: Annotated[
        int | None, Field(ge=1, le=1000, description="Times in a period.", examples=[2])
    ] = None
    frequency_max: Annotated[
        int | None, Field(ge=1, le=1000, description="A range, so refused.", examples=[3])
    ] = None
    period: Annotated[
        Amount | None, Field(description="Length of a period, in its unit.", examples=[1])
    ] = None
    period_max: Annotated[
        Amount | None, Field(description="A range: only as needed.", examples=[6])
    ] = None
    period_unit: Annotated[Unit | None, Field(description="Unit of `period`.", examples=["d"])] = (
        None
    )
    day_of_week: Annotated[
        list[DayOfWeek] | None,
        Field(min_length=1, max_length=7, description="Only on these days.", examples=[["mon"]]),
    ] = None
    time_of_day: Annotated[
        list[TimeOfDay] | None,
        Field(
            min_length=1, max_length=24, description="Times on the patient's clock.",
            examples=[["08:00:00", "20:00:00"]],
        ),
    ] = None  # fmt: skip
    when: Annotated[
        list[Event] | None,
        Field(min_length=1, max_length=10, description="Events of the day.", examples=[["CM"]]),
    ] = None
    offset: Annotated[
        int | None,
        Field(ge=0, le=1440, description="Minutes before or after the event.", examples=[30]),
    ] = None


class Timing(Fhir):
    """FHIR Timing."""

    repeat: Annotated[Repeat | None, Field(description="When it is taken.")] = None
    code: Annotated[
        CodeableConcept | None,
        Field(
            description="A code of v3-GTSAbbreviation, such as `BID`.",
            examples=[{"coding": [{"code": "BID"}]}],
        ),
    ] = None


class DoseAndRate(Fhir):
    """FHIR Dosage.doseAndRate: one amount."""

    dose_quantity: Annotated[Quantity | None, Field(description="How much is taken at a time.")] = (
        None
    )


class CyclePart(Fhir):
    """One part of our extension."""

    url: Annotated[Literal["daysOn", "daysOff"], Field(description="Which.", examples=["daysOn"])]
    value_positive_int: Annotated[
        int, Field(ge=1, le=366, description="So many days.", examples=[21])
    ]


class Extension(Fhir):
    """Our extension of Dosage: days on and days off, repeated from the first day."""

    url: Annotated[Line, Field(description="Its name.", examples=["urn:chroniccare:dosage-cycle"])]
    extension: Annotated[
        list[CyclePart],
        Field(
            min_length=2, max_length=2, description="`daysOn` and `daysOff`.",
            examples=[[{"url": "daysOn", "valuePositiveInt": 21},
                       {"url": "daysOff", "valuePositiveInt": 7}]],
        ),
    ]  # fmt: skip


DOSAGE_EXAMPLE = {
    "sequence": 1,
    "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
    "route": {"text": "oral"},
    "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
}


class Dosage(Fhir):
    """FHIR R4 Dosage: one instruction; those of the same sequence hold side by side."""

    extension: Annotated[
        list[Extension], Field(max_length=1, description="A cycle of days on and off.")
    ] = []
    sequence: Annotated[
        int | None,
        Field(ge=1, le=20, description="1 first; the next when it is over.", examples=[1]),
    ] = None
    text: Annotated[
        Prose | None, Field(description="As the prescriber said it.", examples=["1 tab bid"])
    ] = None
    additional_instruction: Annotated[
        list[CodeableConcept],
        Field(max_length=5, description="Such as with food.", examples=[[{"text": "with food"}]]),
    ] = []
    patient_instruction: Annotated[
        Prose | None, Field(description="What the patient is told.", examples=["Do not crush."])
    ] = None
    timing: Annotated[Timing | None, Field(description="When it is taken.")] = None
    as_needed_boolean: Annotated[
        bool | None, Field(description="True: only as needed.", examples=[False])
    ] = None
    as_needed_codeable_concept: Annotated[
        CodeableConcept | None,
        Field(description="As needed for this.", examples=[{"text": "pain"}]),
    ] = None
    site: Annotated[
        CodeableConcept | None, Field(description="Where.", examples=[{"text": "left eye"}])
    ] = None
    route: Annotated[
        CodeableConcept | None,
        Field(description="By which way: SNOMED CT code or our word.", examples=[{"text": "oral"}]),
    ] = None
    dose_and_rate: Annotated[
        list[DoseAndRate], Field(max_length=5, description="How much: one entry.")
    ] = []
    max_dose_per_period: Annotated[Ratio | None, Field(description="The most in 24 hours.")] = None


class SigWrite(Wire):
    """Sig text to be read."""

    sig: Annotated[
        Paragraph,
        Field(description="As a prescriber writes it.", examples=["1 tab po bid for 7 days"]),
    ]
    route: Annotated[
        Route | None, Field(description="The route, where the text says none.", examples=["oral"])
    ] = None


class Caution(Wire):
    """Something error-prone in a text."""

    start: Annotated[int, Field(description="Characters before it.", examples=[0])]
    text: Annotated[str, Field(description="As it stands there.", examples=["qd"])]
    mistaken_for: Annotated[str, Field(description="What it is mistaken for.")]
    write: Annotated[str, Field(description="What to write instead.", examples=["daily"])]


class InWords(Wire):
    """Instructions in plain words."""

    en: Annotated[str, Field(description="English.", examples=["Take 1 tablet by mouth."])]
    es: Annotated[str, Field(description="Spanish.", examples=["Tome 1 tableta por la boca."])]


class SigRead(Wire):
    """What a sig text says."""

    dosage_instructions: Annotated[list[Dosage], Field(description="As FHIR R4 Dosage.")]
    in_words: Annotated[InWords, Field(description="The same in plain words, to be confirmed.")]
    warnings: Annotated[list[Caution], Field(description="What is error-prone in the text.")]
