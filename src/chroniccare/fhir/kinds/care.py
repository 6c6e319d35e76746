"""Appointment and MedicationRequest."""

from chroniccare.fhir import kept, queries
from chroniccare.fhir.kind import Include, Kind, Versions, named
from chroniccare.fhir.kinds import drug_writers, writers
from chroniccare.fhir.kinds.common import every
from chroniccare.fhir.numbers import KeptNumbers
from chroniccare.fhir.parameters import Always, Date, Numbers, Reference, Token
from chroniccare.fhir.parameters_more import TakenSlot
from chroniccare.fhir.resources import appointment, common, medication_request
from chroniccare.fhir.rules_told import stored
from chroniccare.scheduling.telling import sees_telehealth, shown

_PLACED = "a.facility_id IN (SELECT z.id FROM facilities z WHERE z.timezone = {})"
_PRACTITIONER = (
    "(a.provider_id {0} OR (a.additional_provider_ids <> '{{}}' AND EXISTS"
    " (SELECT FROM unnest(a.additional_provider_ids) u (id) WHERE u.id {0})))"
)
_SERIES = {"local:series": "a.series_id = {}"}
_ALONE = "a.series_id IS NULL"
_UNNUMBERED = f"a.series_id IS NULL AND {kept.null('a.id', 'identifier')}"
_PATIENT = "a.patient_id {}"
_LOCATION = "a.facility_id {}"
_PARTS = {
    "accepted": ("accepted",),  # the practitioner and the place of every visit
    "needs-action": ("scheduled",),
    "tentative": ("held",),
    "declined": ("cancelled",),
}
# Everybody but the patient has always accepted.
_PART = "CASE WHEN 'accepted' = {0} THEN true ELSE a.status = {0} END"

APPOINTMENT = Kind(
    name="Appointment",
    scope="appointments:read",
    tag="appointments",
    entity="appointment",
    read=queries.APPOINTMENT,
    source="appointments a",
    id="a.id",
    where="true",
    gone=None,
    parameters=named(
        *every("a.id", "a.updated_at", keeps=True),
        Reference(name="patient", targets={"Patient": _PATIENT}),
        Reference(name="practitioner", targets={"Practitioner": _PRACTITIONER}),
        Reference(name="location", targets={"Location": _LOCATION}),
        Reference(
            name="actor",
            targets={"Patient": _PATIENT, "Practitioner": _PRACTITIONER, "Location": _LOCATION},
        ),
        Date(
            name="date",
            expression="a.scheduled_start",
            placed=_PLACED,
            sort=("a.scheduled_start", "timestamptz"),
        ),
        Date(
            name="end",
            expression="a.scheduled_end",
            placed=_PLACED,
            sort=("a.scheduled_end", "timestamptz"),
        ),
        Token(
            name="status",
            match="a.status = {}",
            codes=stored(appointment.STATUS),
            systems=("http://hl7.org/fhir/appointmentstatus",),
        ),
        Token(
            name="part-status",
            match=_PART,
            codes=_PARTS,
            systems=("http://hl7.org/fhir/participationstatus",),
        ),
        Token(name="service-type", match="a.appointment_type = {}", systems=("local:visit-type",)),
        KeptNumbers(
            name="identifier",
            systems=_SERIES,
            cast="uuid",
            id="a.id",
            ours="SELECT a.id FROM appointments a WHERE",
            null=_UNNUMBERED,
        ),
        Numbers(name="series", systems=_SERIES, cast="uuid", null=_ALONE),
        TakenSlot(name="slot", null="a.status IN ('cancelled', 'no_show')"),
        Token(
            name="specialty",
            match=(
                "a.provider_id IN (SELECT s.provider_id FROM provider_specializations s"
                " WHERE s.specialization = {})"
            ),
            null="a.provider_id NOT IN (SELECT s.provider_id FROM provider_specializations s)",
            systems=("local:specialization",),
        ),
        *(
            kept.KeptToken(name=name, id="a.id", element=element, null=kept.null("a.id", name))
            for name, element in (
                ("service-category", "serviceCategory"),
                ("appointment-type", "appointmentType"),
            )
        ),
        kept.KeptReference(
            name="based-on",
            id="a.id",
            element="basedOn",
            target=("ServiceRequest",),
            null=kept.null("a.id", "based-on"),
        ),
    ),
    includes={
        "patient": (Include("Patient", lambda row: [row.patient_id], "a.patient_id"),),
        "practitioner": (
            Include("Practitioner", lambda row: [row.provider_id, *row.additional_provider_ids]),
        ),
        "location": (Include("Location", lambda row: [row.facility_id]),),
        "actor": (
            Include("Patient", lambda row: [row.patient_id], "a.patient_id"),
            Include("Practitioner", lambda row: [row.provider_id, *row.additional_provider_ids]),
            Include("Location", lambda row: [row.facility_id]),
        ),
    },
    order=("date", "_id"),
    to_fhir=appointment.to_fhir,
    shown=shown,
    stamp=queries.APPOINTMENT_STAMP,
    view=sees_telehealth,
    writer=writers.APPOINTMENT,
    versions=Versions("appointments", ("fhir_extras",), is_soft=False),
    always=frozenset({"status", "participant"}),
    summary=frozenset(
        {"identifier", "cancelationReason", "serviceType", "reasonCode", "start", "end"}
    ),
)

_OF_PATIENT = "m.patient_id {}"
REQUEST = Kind(
    name="MedicationRequest",
    scope="medications:read",
    tag="medications",
    entity="medication",
    read=queries.REQUEST,
    source="medications m",
    id="m.id",
    where="true",
    gone=None,
    parameters=named(
        *every("m.id", "m.updated_at", keeps=True),
        Reference(name="patient", targets={"Patient": _OF_PATIENT}),
        Reference(name="subject", targets={"Patient": _OF_PATIENT}),
        Reference(name="requester", targets={"Practitioner": "m.prescribing_provider_id {}"}),
        Token(name="status", match="m.status = {}", codes=stored(medication_request.STATUS)),
        Always(name="intent", code="order"),
        Date(
            name="authoredon",
            expression="m.created_at",
            sort=("m.created_at", "timestamptz"),
        ),
        Token(
            name="code",
            match="m.rxnorm_code = {}",
            null="m.rxnorm_code IS NULL",
            systems=(common.RXNORM,),
        ),
        kept.KeptReference(
            name="encounter",
            id="m.id",
            element="encounter",
            target=("Encounter",),
            null=kept.null("m.id", "encounter"),
        ),
    ),
    includes={
        "patient": (Include("Patient", lambda row: [row.patient_id]),),
        "subject": (Include("Patient", lambda row: [row.patient_id]),),
        "requester": (Include("Practitioner", lambda row: [row.prescribing_provider_id]),),
    },
    order=("_id",),
    to_fhir=medication_request.to_fhir,
    versions=Versions("medications", ("fhir_extras",), is_soft=False),
    writer=drug_writers.REQUEST,
    always=frozenset({"status", "intent", "medicationCodeableConcept", "subject"}),
    summary=frozenset({"authoredOn", "requester"}),
)
