"""RelatedPerson, CareTeam, MedicationDispense and MedicationAdministration."""

from chroniccare.fhir import queries
from chroniccare.fhir import queries_beside as beside_queries
from chroniccare.fhir.kind import Include, Kind, Versions, named
from chroniccare.fhir.kinds import drug_writers, told_writers
from chroniccare.fhir.kinds.common import BOOLEAN, every
from chroniccare.fhir.kinds.people import contacts
from chroniccare.fhir.parameters import Date, Reference, Text, Token
from chroniccare.fhir.resources import beside, common

RELATED = Kind(
    name="RelatedPerson",
    scope="patients:read",
    tag="patients",
    entity="related_person",
    read=beside_queries.RELATED,
    source="related_persons r",
    id="r.id",
    where="r.deleted_at IS NULL",
    gone=beside_queries.RELATED_GONE,
    parameters=named(
        *every("r.id", "r.updated_at", keeps=True),
        Reference(name="patient", targets={"Patient": "r.patient_id {}"}),
        Text(name="name", expressions=("r.name",), sort=('r.name COLLATE "C"', "text")),
        Token(name="active", match="r.is_active = {}", codes=BOOLEAN, cast="boolean"),
        *contacts("related_person_id", "r.id"),
    ),
    includes={"patient": (Include("Patient", lambda row: [row.patient_id]),)},
    order=("_id",),
    to_fhir=beside.related,
    versions=Versions("related_persons", ("contact_points", "fhir_extras")),
    writer=told_writers.RELATED,
    always=frozenset({"patient"}),
    summary=frozenset({"active", "relationship", "name", "telecom", "address", "period"}),
)

TEAM = Kind(
    name="CareTeam",
    scope="patients:read",
    tag="patients",
    entity="patient",
    read=beside_queries.TEAM,
    source=beside_queries.TEAM_SOURCE,
    id="p.id",
    where="p.deleted_at IS NULL",
    gone=queries.PATIENT_GONE,
    parameters=named(
        *every("p.id", "h.updated_at"),
        Reference(name="patient", targets={"Patient": "p.id {}"}),
        Reference(name="subject", targets={"Patient": "p.id {}"}),
        Token(
            name="status",
            match="h.is_current = {}",
            codes={"active": (True,), "inactive": (False,)},
            cast="boolean",
        ),
        Reference(
            name="participant",
            targets={
                "Practitioner": (
                    "EXISTS (SELECT FROM patient_providers g WHERE g.tenant_id = p.tenant_id"
                    " AND g.patient_id = p.id AND g.provider_id {})"
                )
            },
        ),
    ),
    includes={
        "patient": (Include("Patient", lambda row: [row.id]),),
        "subject": (Include("Patient", lambda row: [row.id]),),
        "participant": (
            Include(
                "Practitioner", lambda row: common.ids(one["provider_id"] for one in row.members)
            ),
        ),
    },
    order=("_id",),
    to_fhir=beside.team,
    always=frozenset({"status", "subject", "participant"}),
    summary=frozenset({"managingOrganization"}),
)

DISPENSE = Kind(
    name="MedicationDispense",
    scope="medications:read",
    tag="medications",
    entity="medication_fill",
    read=beside_queries.DISPENSE,
    source=beside_queries.DISPENSE_SOURCE,
    id="d.id",
    where="true",
    gone=None,
    parameters=named(
        *every("d.id", beside_queries.DISPENSED_AT, keeps=True),
        Reference(name="patient", targets={"Patient": "d.patient_id {}"}),
        Reference(name="subject", targets={"Patient": "d.patient_id {}"}),
        Reference(name="prescription", targets={"MedicationRequest": "d.medication_id {}"}),
        Token(
            name="status",
            match="(d.voided_at IS NULL) = {}",
            codes={"completed": (True,), "entered-in-error": (False,)},
            cast="boolean",
        ),
        Token(
            name="type",
            match="d.kind = {}",
            codes={code: (own,) for own, code in beside.FILLS.items()},
            systems=("http://terminology.hl7.org/CodeSystem/v3-ActPharmacySupplyType",),
        ),
        Date(
            name="whenhandedover",
            expression="d.filled_on",
            cast="date",
            sort=("d.filled_on", "date"),
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
        "prescription": (Include("MedicationRequest", lambda row: [row.medication_id]),),
    },
    order=("_id",),
    to_fhir=beside.dispense,
    writer=drug_writers.DISPENSE,
    always=frozenset({"status", "medicationCodeableConcept", "subject"}),
    summary=frozenset(),
)

_STATUS = (
    "(CASE WHEN c.id IS NOT NULL THEN 'entered-in-error' WHEN a.status = 'taken'"
    " THEN 'completed' ELSE 'not-done' END) = {}"
)
_TIME = "coalesce(a.taken_at, a.scheduled_time)"
ADMINISTRATION = Kind(
    name="MedicationAdministration",
    scope="medications:read",
    tag="adherence",
    entity="medication_adherence",
    read=beside_queries.ADMINISTRATION,
    source=beside_queries.ADMINISTRATION_SOURCE,
    id="a.id",
    where="true",
    gone=None,
    parameters=named(
        *every("a.id", beside_queries.ADMINISTERED_AT, keeps=True),
        Reference(name="patient", targets={"Patient": "a.patient_id {}"}),
        Reference(name="subject", targets={"Patient": "a.patient_id {}"}),
        Reference(name="request", targets={"MedicationRequest": "a.medication_id {}"}),
        Token(name="status", match=_STATUS),
        Date(name="effective-time", expression=_TIME, sort=(_TIME, "timestamptz")),
        Token(
            name="code",
            match="m.rxnorm_code = {}",
            null="m.rxnorm_code IS NULL",
            systems=(common.RXNORM,),
        ),
    ),
    includes={
        "patient": (Include("Patient", lambda row: [row.patient_id]),),
        "request": (Include("MedicationRequest", lambda row: [row.medication_id]),),
    },
    order=("_id",),
    to_fhir=beside.administration,
    writer=drug_writers.ADMINISTRATION,
    always=frozenset({"status", "medicationCodeableConcept", "subject", "effectiveDateTime"}),
    summary=frozenset({"statusReason", "performer", "request"}),
)
