"""Wire shapes of a check, and of the sets that it looks into."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.codes.schemas import Rxcui
from chroniccare.core.fields import Instant, Line, Wire
from chroniccare.medications.interactions.rules_kinds import Kind, Severity


class CheckWrite(Wire):
    """A drug that somebody thinks of prescribing."""

    name: Annotated[Line, Field(description="As it is prescribed.", examples=["Parnate 10 mg"])]
    generic_name: Annotated[
        Line | None, Field(description="Its generic name.", examples=["tranylcypromine"])
    ] = None
    rxnorm_code: Annotated[
        Rxcui | None, Field(description="RXCUI of drug or ingredient.", examples=["10734"])
    ] = None
    without: Annotated[
        UUID | None,
        Field(description="Medication that the drug would replace, and so does not meet."),
    ] = None
    prescribing_provider_id: Annotated[
        UUID | None,
        Field(description="Who would prescribe it; an external service is asked only with this."),
    ] = None


class Finding(Wire):
    """One thing that speaks against the drug."""

    kind: Annotated[Kind, Field(description="What it is; `service`: an external service says so.")]
    severity: Annotated[Severity, Field(description="How bad it is.")]
    needs_override: Annotated[
        bool, Field(description="Whether prescribing all the same takes a reason.")
    ]
    with_: Annotated[
        list[UUID], Field(alias="with", description="The medications, or allergies, it is about.")
    ]
    pair: Annotated[
        str | None, Field(description="Id of the pair; of a duplicate, the ingredient.")
    ]
    text: Annotated[str, Field(description="What may happen, for people.")]
    citation: Annotated[str | None, Field(description="Where that is written.")]
    set: Annotated[str | None, Field(description="Name of the set that has it.")]


class NotChecked(Wire):
    """Something that no table here knows; it may well interact."""

    what: Annotated[Literal["drug", "medication", "allergy"], Field(description="What it is.")]
    id: Annotated[UUID | None, Field(description="Which one; null for the drug itself.")]


class UsedSet(Wire):
    """A set that was looked into."""

    name: Annotated[str, Field(description="Its name.", examples=["onc-high-priority"])]
    version: Annotated[str, Field(description="Its version.", examples=["2026.1"])]
    sha256: Annotated[str, Field(description="Of its content.")]


class Service(Wire):
    """What became of the question to an external service (CDS Hooks)."""

    status: Annotated[
        Literal["off", "not_asked", "answered", "not_answered"],
        Field(description="`not_asked`: nobody was named as prescriber."),
    ]
    reason: Annotated[
        str | None, Field(description="Why there is no answer, such as timeout; else null.")
    ]


class Check(Wire):
    """What speaks against a drug for a patient, as far as the sets named in it know."""

    status: Annotated[
        Literal["ok", "findings", "not_checked", "off"],
        Field(description="`not_checked`: nothing was found, but not everything could be told."),
    ]
    override_needed: Annotated[bool, Field(description="Whether a finding needs an override.")]
    sets: Annotated[list[UsedSet], Field(description="What was looked into.")]
    findings: Annotated[list[Finding], Field(description="The worst first.")]
    not_checked: Annotated[list[NotChecked], Field(description="What no table here knows.")]
    service: Annotated[Service, Field(description="The external service, if there is one.")]


class InteractionSet(UsedSet):
    """A set of interactions."""

    pairs: Annotated[int, Field(description="How many pairs it has.", examples=[15])]
    imported_at: Annotated[
        Instant | None, Field(description="UTC instant of import; null: built in.")
    ]


class AllergyClass(Wire):
    """A class of drugs that an allergy can be against."""

    key: Annotated[str, Field(description="`drug_class` of an allergy.", examples=["penicillins"])]
    name: Annotated[str, Field(description="In words.")]
    members: Annotated[list[str], Field(description="Its ingredients.")]


class InteractionSets(Wire):
    """What checks look into."""

    checks: Annotated[Literal["on", "off"], Field(description="Whether checks are made.")]
    sets: Annotated[list[InteractionSet], Field(description="The built-in set first.")]
    classes: Annotated[list[AllergyClass], Field(description="For allergies.")]
