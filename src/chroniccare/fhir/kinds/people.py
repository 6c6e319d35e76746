"""Patient, Practitioner and PractitionerRole."""

from collections.abc import Callable

from chroniccare.core.contact import found_by
from chroniccare.fhir import kept, queries
from chroniccare.fhir.kind import Include, Kind, Versions, named
from chroniccare.fhir.kinds import clinic_writers, writers
from chroniccare.fhir.kinds.common import BOOLEAN, email, every, phone
from chroniccare.fhir.numbers import KeptNumbers
from chroniccare.fhir.parameters import Date, Numbers, Parameter, Reference, Text, Token
from chroniccare.fhir.resources import common, patient, practitioner

_CONTACT = frozenset({"contact_info"})
_WORDS = (
    "p.id IN (SELECT t.patient_id FROM patient_name_tokens t WHERE t.kind = 'word'"
    " AND t.token >= {} AND t.token < {})"
)
_MAIN = (
    "p.id IN (SELECT g.patient_id FROM patient_providers g WHERE g.is_primary"
    " AND g.ended_at IS NULL AND g.provider_id {})"
)


_FOUND_BY = found_by("c.value")
_MINE = "SELECT c.{0} FROM contact_points c WHERE c.{0} IS NOT NULL AND c.system {1}"


def _points(
    owner: str, id_: str, name: str, systems: tuple[str, ...], prepare: Callable[[str], str | None]
) -> Token:
    """Return the parameter of the contact points of these systems."""
    mine = _MINE.format(owner, f"IN ({', '.join(map(repr, systems))})")
    return Token(
        name=name,
        match=f"{id_} IN ({mine} AND {_FOUND_BY} = {{}})",
        null=f"{id_} NOT IN ({mine})",
        systems=systems,
        prepare=prepare,
        is_sealed=True,
        reveals=_CONTACT,
    )


def contacts(owner: str, id_: str) -> tuple[Parameter, ...]:
    """Return `phone`, `email` and `telecom` of a kind of owner."""
    return (
        _points(owner, id_, "phone", ("phone",), phone),
        _points(owner, id_, "email", ("email",), email),
        _points(owner, id_, "telecom", ("phone", "email"), lambda one: email(one) or phone(one)),
    )


_FAMILY = 'p.last_name COLLATE "C"'
_GIVEN = 'p.first_name COLLATE "C"'
_WHOLE = "p.first_name || ' ' || p.last_name"
_SEX = {"male": ("male",), "female": ("female",), "other": ("other",), "unknown": ("unknown",)}

PATIENT = Kind(
    name="Patient",
    scope="patients:read",
    tag="patients",
    entity="patient",
    read=queries.PATIENT,
    source="patients p",
    id="p.id",
    where="p.deleted_at IS NULL",
    gone=queries.PATIENT_GONE,
    parameters=named(
        *every("p.id", "p.updated_at", keeps=True),
        KeptNumbers(
            name="identifier",
            systems={"local:mrn": "p.mrn = {}"},
            id="p.id",
            ours="SELECT p.id FROM patients p WHERE p.deleted_at IS NULL AND",
            types={f"{common.V2_0203}|MR": "p.mrn = {}"},
        ),
        Text(
            name="name",
            expressions=(_WHOLE, "p.first_name", "p.last_name"),
            narrow=_WORDS,
            by_word=True,
            sort=(_FAMILY, "text"),
        ),
        Text(name="family", expressions=("p.last_name",), narrow=_WORDS, sort=(_FAMILY, "text")),
        Text(name="given", expressions=("p.first_name",), narrow=_WORDS, sort=(_GIVEN, "text")),
        Date(
            name="birthdate",
            expression="p.date_of_birth",
            cast="date",
            sort=("p.date_of_birth", "date"),
        ),
        Token(
            name="gender",
            match="coalesce(p.gender, 'unknown') = {}",
            codes=_SEX,
            systems=("http://hl7.org/fhir/administrative-gender",),
        ),
        Token(name="active", match="p.is_active = {}", codes=BOOLEAN, cast="boolean"),
        Token(
            name="deceased",
            match="(p.treatment_status = 'deceased') = {}",
            codes=BOOLEAN,
            cast="boolean",
        ),
        Token(name="language", match="p.language = {}", systems=(common.LANGUAGES,)),
        *contacts("patient_id", "p.id"),
        Reference(
            name="general-practitioner",
            targets={"Practitioner": _MAIN},
            null=(
                "p.id NOT IN (SELECT g.patient_id FROM patient_providers g WHERE g.is_primary"
                " AND g.ended_at IS NULL)"
            ),
        ),
        Reference(name="organization", targets={"Organization": "p.tenant_id {}"}),
    ),
    includes={
        "general-practitioner": (Include("Practitioner", lambda row: row.practitioner_ids),),
    },
    order=("_id",),
    to_fhir=patient.to_fhir,
    stamp=queries.PATIENT_STAMP,
    writer=writers.PATIENT,
    versions=Versions("patients", ("contact_points", "fhir_extras", "patient_providers")),
    always=frozenset({"identifier", "name", "gender"}),
    summary=frozenset(
        {"active", "telecom", "birthDate", "deceasedBoolean", "address", "managingOrganization"}
    ),
)

_NUMBERS = {common.NPI: "p.npi = {}"}
_OTHER_NUMBERS = (
    "EXISTS (SELECT FROM jsonb_array_elements(p.identifiers) i WHERE i ->> 'value' = {}"
    " AND coalesce(i ->> 'system' = {}, true))"
)
PRACTITIONER = Kind(
    name="Practitioner",
    scope="providers:read",
    tag="providers",
    entity=None,
    read=queries.PRACTITIONER,
    source="providers p",
    id="p.id",
    where="p.deleted_at IS NULL",
    gone=queries.PRACTITIONER_GONE,
    parameters=named(
        *every("p.id", "p.updated_at", keeps=True),
        Numbers(
            name="identifier",
            systems=_NUMBERS,
            other=_OTHER_NUMBERS,
            null="p.npi IS NULL AND p.identifiers = '[]'",
        ),
        Text(
            name="name",
            expressions=(_WHOLE, "p.first_name", "p.last_name"),
            sort=(_FAMILY, "text"),
        ),
        Text(name="family", expressions=("p.last_name",), sort=(_FAMILY, "text")),
        Text(name="given", expressions=("p.first_name",), sort=(_GIVEN, "text")),
        Token(name="active", match="p.is_active = {}", codes=BOOLEAN, cast="boolean"),
        Token(
            name="communication",
            match=(
                "EXISTS (SELECT FROM jsonb_array_elements_text(p.languages) s (code)"
                " WHERE s.code = {})"
            ),
            null="p.languages = '[]'",
            systems=(common.LANGUAGES,),
        ),
        *contacts("provider_id", "p.id"),
    ),
    includes={},
    order=("_id",),
    to_fhir=practitioner.to_fhir,
    versions=Versions("providers", ("contact_points", "fhir_extras")),
    is_alone=True,
    writer=clinic_writers.PRACTITIONER,
    always=frozenset(),
    summary=frozenset({"identifier", "active", "name", "telecom", "address"}),
)

SPECIALTY = Token(
    name="specialty",
    match=(
        "w.provider_id IN (SELECT s.provider_id FROM provider_specializations s"
        " WHERE s.specialization = {})"
    ),
    null="w.provider_id NOT IN (SELECT s.provider_id FROM provider_specializations s)",
    systems=("local:specialization",),
)
ROLE = Kind(
    name="PractitionerRole",
    scope="providers:read",
    tag="providers",
    entity=None,
    read=queries.ROLE,
    source=queries.ROLE_SOURCE,
    id="w.id",
    where="p.deleted_at IS NULL",
    gone=queries.ROLE_GONE,
    parameters=named(
        *every("w.id", "p.updated_at", keeps=True),
        Reference(name="practitioner", targets={"Practitioner": "w.provider_id {}"}),
        Reference(name="location", targets={"Location": "w.facility_id {}"}),
        Reference(name="organization", targets={"Organization": "w.tenant_id {}"}),
        SPECIALTY,
        kept.KeptToken(name="role", id="w.id", element="code", null=kept.null("w.id", "role")),
        kept.KeptReference(
            name="service",
            id="w.id",
            element="healthcareService",
            target=("HealthcareService",),
            null=kept.null("w.id", "service"),
        ),
        Token(
            name="active",
            match="(p.is_active AND l.is_active) = {}",
            codes=BOOLEAN,
            cast="boolean",
        ),
        *contacts("provider_id", "w.provider_id"),
    ),
    includes={
        "practitioner": (Include("Practitioner", lambda row: [row.provider_id]),),
        "location": (Include("Location", lambda row: [row.facility_id]),),
    },
    order=("_id",),
    to_fhir=practitioner.role,
    writer=clinic_writers.ROLE,
    always=frozenset(),
    summary=frozenset(
        {"active", "period", "practitioner", "organization", "location", "specialty", "telecom"}
    ),
)
