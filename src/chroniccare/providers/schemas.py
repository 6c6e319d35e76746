"""Wire shapes of providers."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic import StringConstraints as Str

from chroniccare.core.fields import (
    ContactInfo,
    Instant,
    Language,
    Line,
    Name,
    Wire,
    Word,
    distinct,
)

NPI = Annotated[str, Str(pattern=r"^[12][0-9]{9}$")]
Minutes = Annotated[int, Field(ge=5, le=1440)]


class Identifier(Wire):
    """A number that an authority gave a provider; a US NPI goes into `npi` instead."""

    system: Annotated[
        Line, Field(description="Whose numbers these are.", examples=["urn:oid:1.2.276.0.76.4.16"])
    ]
    value: Annotated[Line, Field(description="The number.", examples=["838382202"])]
    type: Annotated[
        Word,
        Field(description="Kind of number (HL7 v2 table 0203 where it fits).", examples=["MD"]),
    ]


class FacilityLink(Wire):
    """A facility at which a provider works."""

    facility_id: Annotated[UUID, Field(description="The facility.")]
    is_primary: Annotated[
        bool, Field(description="True for the one main facility.", examples=[True])
    ] = False


class ProviderWrite(Wire):
    """A provider as a client writes it."""

    npi: Annotated[
        NPI | None,
        Field(
            description="US National Provider Identifier, unique in the clinic; its check digit"
            " must be right. Without one, `identifiers` must not be empty.",
            examples=["1234567893"],
        ),
    ] = None
    identifiers: Annotated[
        list[Identifier], Field(max_length=20, description="Numbers of other authorities.")
    ] = []
    first_name: Annotated[Name, Field(description="Given name.", examples=["Aisha"])]
    last_name: Annotated[Name, Field(description="Family name.", examples=["Rahman"])]
    specializations: Annotated[
        list[Name],
        Field(max_length=20, description="Fields of work.", examples=[["Endocrinology"]]),
        AfterValidator(distinct),
    ] = []
    qualifications: Annotated[
        list[Line], Field(max_length=50, description="Degrees and boards.", examples=[["MD"]])
    ] = []
    contact_info: Annotated[
        ContactInfo, Field(description="Phones, email addresses, devices, postal address.")
    ] = ContactInfo()
    languages: Annotated[
        list[Language],
        Field(max_length=20, description="BCP 47 tags of spoken languages.", examples=[["en"]]),
        AfterValidator(distinct),
    ] = ["en"]
    telehealth_enabled: Annotated[bool, Field(description="Offers visits by video.")] = False
    max_daily_capacity: Annotated[
        int, Field(ge=0, le=500, description="Most visits a day.", examples=[20])
    ] = 20
    default_appointment_durations: Annotated[
        dict[Word, Minutes],
        Field(
            max_length=100,
            description="Minutes a visit takes, by appointment type.",
            examples=[{"follow_up": 30}],
        ),
    ] = {}
    facilities: Annotated[
        list[FacilityLink],
        Field(max_length=50, description="Where the provider works; at most one is primary."),
    ] = []
    is_active: Annotated[
        bool, Field(description="False keeps the record but takes no new visits.")
    ] = True


class Provider(ProviderWrite):
    """A provider as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]
