"""Wire shapes of related persons."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from chroniccare.core.fields import (
    ContactInfo,
    Day,
    Instant,
    Language,
    Line,
    Wire,
    Word,
    ZoneName,
    distinct,
)
from chroniccare.notifications.preferences.schemas import Channels, Consents
from chroniccare.notifications.rules_categories import Category


class RelatedPersonWrite(Wire):
    """Somebody who receives a patient's messages (FHIR RelatedPerson), as a client writes them."""

    name: Annotated[Line, Field(description="Their name.", examples=["Lucia Gonzalez"])]
    relationship: Annotated[
        Word, Field(description="What they are to the patient.", examples=["daughter"])
    ]
    language: Annotated[
        Language, Field(description="BCP 47 tag for their messages.", examples=["es"])
    ] = "en"
    time_zone: Annotated[
        ZoneName | None,
        Field(
            description="IANA zone they live in; null: the patient's.",
            examples=["America/Los_Angeles"],
        ),
    ] = None
    contact_info: Annotated[
        ContactInfo, Field(description="Phones, email addresses, devices, postal address.")
    ] = ContactInfo()
    channels: Annotated[
        Channels, Field(description="In the order to try; empty: SMS, then email.")
    ] = []
    consents: Annotated[
        Consents, Field(description="Their own; nothing is sent by a channel without a `true`.")
    ] = Consents()
    categories: Annotated[
        list[Category],
        Field(
            max_length=6, description="What they receive.", examples=[["appointments", "refills"]]
        ),
        AfterValidator(distinct),
    ] = []
    receives: Annotated[
        Literal["besides", "instead"],
        Field(
            description="With the patient, or in their place: the patient gets a message after all "
            "while this person cannot be reached.",
            examples=["besides"],
        ),
    ] = "besides"
    period_start: Annotated[
        Day | None, Field(description="First day, where they live.", examples=["2031-01-01"])
    ] = None
    period_end: Annotated[
        Day | None, Field(description="Last day, where they live.", examples=["2031-12-31"])
    ] = None
    is_active: Annotated[bool, Field(description="False: receives nothing.")] = True


class RelatedPerson(RelatedPersonWrite):
    """A related person as the API answers them."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID, Field(description="The patient.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]
