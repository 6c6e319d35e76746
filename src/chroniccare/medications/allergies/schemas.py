"""Wire shapes of allergies."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.codes.schemas import Rxcui
from chroniccare.core.fields import Day, Instant, Line, Prose, Wire, Word

Category = Literal["medication", "food", "environment", "biologic"]
Criticality = Literal["low", "high", "unable-to-assess"]
Verification = Literal["unconfirmed", "confirmed", "refuted", "entered-in-error"]


class AllergyWrite(Wire):
    """An allergy or intolerance (FHIR AllergyIntolerance), as a client writes it."""

    substance: Annotated[
        Line, Field(description="Against what, as it was told.", examples=["penicillin"])
    ]
    category: Annotated[
        Category, Field(description="Prescribing looks at `medication` and `biologic`.")
    ] = "medication"
    rxnorm_code: Annotated[
        Rxcui | None, Field(description="RXCUI of drug or ingredient.", examples=["7980"])
    ] = None
    drug_class: Annotated[
        Word | None,
        Field(
            description="Class of drugs: a `key` of `/interaction-sets`.", examples=["penicillins"]
        ),
    ] = None
    criticality: Annotated[
        Criticality,
        Field(description="What a dose may do; only with `low` no override is needed."),
    ] = "unable-to-assess"
    verification: Annotated[
        Verification, Field(description="`refuted` and `entered-in-error` count for nothing.")
    ] = "unconfirmed"
    note: Annotated[
        Prose | None, Field(description="What happened.", examples=["Rash as a child"])
    ] = None
    recorded_on: Annotated[
        Day | None, Field(description="When it was first noted.", examples=["2019-05-02"])
    ] = None


class Allergy(AllergyWrite):
    """An allergy as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID, Field(description="The patient.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]
