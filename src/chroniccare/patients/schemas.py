"""Wire shapes of patients."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from chroniccare.codes.schemas import ICD10, IcdDoubt
from chroniccare.core.fields import (
    ContactInfo,
    Day,
    Document,
    Instant,
    Language,
    Line,
    Name,
    Wire,
    Word,
    ZoneName,
    distinct,
)

TreatmentStatus = Literal["active", "inactive", "on_hold", "completed", "deceased"]
Channel = Literal["sms", "email", "push"]


class CommunicationPreferences(Wire):
    """How a patient wants to be reached."""

    channels: Annotated[
        list[Channel],
        Field(
            max_length=3,
            description="Channels in the order to try; empty means SMS, then email.",
            examples=[["sms", "email"]],
        ),
        AfterValidator(distinct),
    ] = []


class PatientWrite(Wire):
    """A patient as a client writes it."""

    mrn: Annotated[
        Word,
        Field(description="Medical record number, unique in the clinic.", examples=["MRN-1042"]),
    ]
    first_name: Annotated[Name, Field(description="Given name.", examples=["Maria"])]
    last_name: Annotated[Name, Field(description="Family name.", examples=["Gonzalez"])]
    date_of_birth: Annotated[Day, Field(description="ISO 8601 date.", examples=["1961-04-12"])]
    gender: Annotated[
        Literal["male", "female", "other", "unknown"] | None,
        Field(description="Administrative gender (FHIR).", examples=["female"]),
    ] = None
    contact_info: Annotated[
        ContactInfo, Field(description="Phones, email addresses, devices, postal address.")
    ] = ContactInfo()
    emergency_contact: Annotated[
        Document,
        Field(description="Whom to call.", examples=[{"name": "Luis", "phone": "+14155550111"}]),
    ] = {}
    insurance_info: Annotated[
        Document, Field(description="Payer and member id.", examples=[{"payer": "Acme Health"}])
    ] = {}
    primary_diagnosis: Annotated[
        Line | None, Field(description="Main diagnosis in words.", examples=["Type 2 diabetes"])
    ] = None
    icd10_codes: Annotated[
        list[ICD10], Field(max_length=50, description="ICD-10-CM codes.", examples=[["E11.9"]])
    ] = []
    treatment_status: Annotated[
        TreatmentStatus, Field(description="Where treatment stands.", examples=["active"])
    ] = "active"
    communication_preferences: Annotated[
        CommunicationPreferences, Field(description="How the patient wants to be reached.")
    ] = CommunicationPreferences()
    consent_settings: Annotated[
        Document, Field(description="Consents given.", examples=[{"sms": True}])
    ] = {}
    time_zone: Annotated[
        ZoneName,
        Field(description="IANA zone the patient lives in.", examples=["America/New_York"]),
    ]
    language: Annotated[
        Language, Field(description="BCP 47 tag for messages.", examples=["en"])
    ] = "en"
    is_active: Annotated[bool, Field(description="False keeps the record but plans nothing.")] = (
        True
    )


class Patient(PatientWrite):
    """A patient as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class PatientWritten(Patient):
    """A patient as a write answers it."""

    warnings: Annotated[
        list[IcdDoubt],
        Field(description="Codes that are not in the shipped release, or that longer ones refine."),
    ]


class AssignmentWrite(Wire):
    """A provider who cares for a patient, as a client writes it."""

    provider_id: Annotated[UUID, Field(description="The provider.")]
    relationship_type: Annotated[
        Word, Field(description="Role of the provider.", examples=["primary_care"])
    ]
    is_primary: Annotated[
        bool, Field(description="True makes this the one primary provider.", examples=[True])
    ] = False


class Assignment(AssignmentWrite):
    """A provider who cares for a patient, as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID, Field(description="The patient.")]
    assigned_at: Annotated[Instant, Field(description="UTC instant of assignment.")]
    ended_at: Annotated[Instant | None, Field(description="UTC instant at which it ended.")]
