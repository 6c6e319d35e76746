"""Wire shapes of codes."""

from typing import Annotated

from pydantic import Field
from pydantic import StringConstraints as Str

from chroniccare.codes.rules_forms import ICD10_PATTERN, RXCUI_PATTERN
from chroniccare.core.fields import Wire

ICD10 = Annotated[str, Str(pattern=ICD10_PATTERN)]
Rxcui = Annotated[str, Str(pattern=RXCUI_PATTERN)]


class IcdCode(Wire):
    """One code of ICD-10-CM."""

    code: Annotated[ICD10, Field(description="With its dot.", examples=["E11.9"])]
    billable: Annotated[bool, Field(description="False: a longer code below it says more.")]
    description: Annotated[str, Field(description="In words.", examples=["Type 2 diabetes"])]


class IcdDoubt(Wire):
    """A code of ICD-10-CM that was written and should be looked at twice."""

    code: Annotated[ICD10, Field(description="As it is written.", examples=["E11"])]
    warning: Annotated[str, Field(description="Why.", examples=["not in release 2026-04"])]


class IcdLookup(Wire):
    """What the shipped table says of one code."""

    code: Annotated[ICD10, Field(description="As it is written.", examples=["E11.9"])]
    known: Annotated[bool, Field(description="Whether the table has it.")]
    billable: Annotated[
        bool | None, Field(description="As for a listed code; null if it is not known.")
    ]
    description: Annotated[
        str | None, Field(description="In words; null if it is not known.", examples=["Cough"])
    ]
    warning: Annotated[
        str | None,
        Field(
            description="Why to look twice, or null. A code that is not known can be written.",
            examples=["not in release 2026-04"],
        ),
    ]
    release: Annotated[str, Field(description="Release of the table.", examples=["2026-04"])]
    effective_from: Annotated[str, Field(description="Its first day in force.")]
    effective_until: Annotated[str, Field(description="Its last day in force.")]


class Ingredient(Wire):
    """One ingredient of a drug."""

    rxcui: Annotated[Rxcui, Field(description="Its id in RxNorm.", examples=["6809"])]
    name: Annotated[str, Field(description="Its name.", examples=["metformin"])]


class RxNormLookup(Wire):
    """What the site's subset of RxNorm says of one id."""

    rxcui: Annotated[Rxcui, Field(description="Id of the concept.", examples=["860975"])]
    known: Annotated[bool, Field(description="Whether the subset has it.")]
    term_type: Annotated[
        str | None, Field(description="`IN`, `SCD`, `BN`, ...; null if it is not known.")
    ]
    name: Annotated[str | None, Field(description="Its name; null if it is not known.")]
    ingredients: Annotated[list[Ingredient], Field(description="What it is made of.")]
    release: Annotated[
        str | None, Field(description="Release that the site has loaded; null: none.")
    ]
