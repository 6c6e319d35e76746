"""MedicationStatement, CommunicationRequest, Communication and Consent."""

from chroniccare.fhir import queries
from chroniccare.fhir import queries_told as told
from chroniccare.fhir.kind import Include, Kind, named
from chroniccare.fhir.kinds import told_writers
from chroniccare.fhir.kinds.common import every
from chroniccare.fhir.parameters import Date, Parameter, Reference, Token
from chroniccare.fhir.parameters_more import Period
from chroniccare.fhir.resources import common, consent, messages, statement
from chroniccare.fhir.rules_told import IS_SENT, PLANNED, SENT, stored
from chroniccare.notifications.rules_categories import ANSWERS, TYPES, category_of

_STOPPED = "(m.stopped_at AT TIME ZONE 'UTC')::date"
STATEMENT = Kind(
    name="MedicationStatement",
    scope="medications:read",
    tag="medications",
    entity="medication",
    read=told.STATEMENT,
    source="medications m",
    id="m.id",
    where="true",
    gone=None,
    parameters=named(
        *every("m.id", "m.updated_at"),
        Reference(name="patient", targets={"Patient": "m.patient_id {}"}),
        Reference(name="subject", targets={"Patient": "m.patient_id {}"}),
        Token(
            name="status",
            match="m.status = {}",
            codes=stored(statement.STATUS),
            systems=("http://hl7.org/fhir/CodeSystem/medication-statement-status",),
        ),
        Period(
            name="effective",
            expression="m.start_date",
            last=f"greatest(m.start_date, least(m.end_date, {_STOPPED}, 'infinity'))",
            cast="date",
            sort=("m.start_date", "date"),
        ),
        Token(
            name="code",
            match="m.rxnorm_code = {}",
            null="m.rxnorm_code IS NULL",
            systems=(common.RXNORM,),
        ),
    ),
    includes={
        "patient": (Include("Patient", lambda row: [row.patient_id]),),
        "subject": (Include("Patient", lambda row: [row.patient_id]),),
    },
    order=("_id",),
    to_fhir=statement.to_fhir,
    always=frozenset({"status", "medicationCodeableConcept", "subject"}),
    summary=frozenset({"statusReason", "effectivePeriod", "dateAsserted", "informationSource"}),
)

_MEDIA = {code: (own,) for own, code in messages.MEDIA.items()} | {"push": ("push",)}
_TOPICS: dict[str, tuple[str, ...]] = {
    **{
        name: tuple(one for one in TYPES if category_of(one) == name)
        for name in sorted({category_of(one) for one in TYPES})
    },
    ANSWERS: (ANSWERS,),
}
_RECIPIENT = "(n.related_person_id IS NULL AND n.patient_id {})"


def _of_messages() -> tuple[Parameter, ...]:
    """Return the parameters that requests and what came of them share."""
    return (
        *every("n.id", "n.updated_at"),
        Reference(
            name="patient", targets={"Patient": "n.patient_id {}"}, null="n.patient_id IS NULL"
        ),
        Reference(
            name="subject", targets={"Patient": "n.patient_id {}"}, null="n.patient_id IS NULL"
        ),
        Reference(
            name="recipient",
            targets={"Patient": _RECIPIENT, "RelatedPerson": "n.related_person_id {}"},
            null="n.patient_id IS NULL",
        ),
        Token(
            name="medium",
            match="n.channel = {}",
            codes=_MEDIA,
            systems=(messages.MODES, "local:channel"),
        ),
        Token(
            name="category",
            match=(
                "(CASE WHEN n.notification_type ^@ 'reply_' THEN 'answers'"
                " ELSE n.notification_type END) = {}"
            ),
            codes=_TOPICS,
            systems=("local:message-category",),
        ),
    )


_INCLUDES = {
    "patient": (Include("Patient", lambda row: [one for one in [row.patient_id] if one]),),
    "recipient": (
        Include(
            "Patient",
            lambda row: [row.patient_id] if row.patient_id and not row.related_person_id else [],
        ),
        Include("RelatedPerson", lambda row: [one for one in [row.related_person_id] if one]),
    ),
}
_SUMMARY = frozenset({"category", "medium", "subject", "recipient", "sender"})

REQUEST = Kind(
    name="CommunicationRequest",
    scope="notifications:read",
    tag="notifications",
    entity="notification",
    read=told.MESSAGE,
    source="notifications n",
    id="n.id",
    where="true",
    gone=None,
    parameters=named(
        *_of_messages(),
        Token(
            name="status",
            match="n.delivery_status = {}",
            codes=stored(PLANNED),
            systems=("http://hl7.org/fhir/request-status",),
        ),
        Token(
            name="priority",
            match="n.priority = {}",
            codes=stored(messages.PRIORITY),
            systems=("http://hl7.org/fhir/request-priority",),
        ),
        Date(
            name="occurrence",
            expression="n.scheduled_send_time",
            sort=("n.scheduled_send_time", "timestamptz"),
        ),
        Date(name="authored", expression="n.created_at", sort=("n.created_at", "timestamptz")),
    ),
    includes=_INCLUDES,
    order=("_id",),
    to_fhir=messages.request,
    writer=told_writers.REQUEST,
    always=frozenset({"status"}),
    summary=_SUMMARY | {"statusReason", "priority", "about", "occurrenceDateTime", "authoredOn"},
)

COMMUNICATION = Kind(
    name="Communication",
    scope="notifications:read",
    tag="notifications",
    entity="notification",
    read=told.SENT_MESSAGE,
    source="notifications n",
    id="n.id",
    where=IS_SENT,
    gone=None,
    parameters=named(
        *_of_messages(),
        Token(
            name="status",
            match="n.delivery_status = {}",
            codes=stored(SENT),
            systems=("http://hl7.org/fhir/event-status",),
        ),
        Reference(name="based-on", targets={"CommunicationRequest": "n.id {}"}),
        Date(name="sent", expression="n.sent_at", null="n.sent_at IS NULL"),
        Date(name="received", expression="n.read_at", null="n.read_at IS NULL"),
    ),
    includes={
        **_INCLUDES,
        "based-on": (Include("CommunicationRequest", lambda row: [row.id]),),
    },
    order=("_id",),
    to_fhir=messages.sent,
    always=frozenset({"status"}),
    summary=_SUMMARY | {"basedOn", "statusReason", "topic"},
)

CONSENT = Kind(
    name="Consent",
    scope="patients:read",
    tag="patients",
    entity="patient",
    read=told.CONSENT,
    source="patients p",
    id="p.id",
    where=f"p.deleted_at IS NULL AND {told.HAS_SAID}",
    gone=queries.PATIENT_GONE,
    parameters=named(
        *every("p.id", "p.updated_at"),
        Reference(name="patient", targets={"Patient": "p.id {}"}),
        Reference(name="organization", targets={"Organization": "p.tenant_id {}"}),
        Token(
            name="status",
            match="'active' = {}",
            systems=("http://hl7.org/fhir/consent-state-codes",),
        ),
    ),
    includes={"patient": (Include("Patient", lambda row: [row.id]),)},
    order=("_id",),
    to_fhir=consent.to_fhir,
    writer=told_writers.CONSENT,
    always=frozenset({"status", "scope", "category"}),
    summary=frozenset({"patient", "organization", "policyRule", "provision"}),
)
