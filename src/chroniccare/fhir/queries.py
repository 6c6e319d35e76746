"""SQL of the resource types: one statement a type, put around what the record's own slice reads.

Each reads the record whose id is $1. A search puts the page that it found in the place of `ONE`,
see `composing`; `keys` are what the page is sorted by.
"""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.core import contact
from chroniccare.facilities import queries as facilities
from chroniccare.medications import queries as medications
from chroniccare.patients import queries as patients
from chroniccare.patients import queries_extras as extras
from chroniccare.platform.postgres import Command, Query
from chroniccare.providers import queries as providers
from chroniccare.scheduling import queries as scheduling
from chroniccare.scheduling.catalogue import queries as catalogue

ONE = "(SELECT $1::uuid AS id, '[]'::jsonb AS keys, 1 AS n) page"


@dataclass(frozen=True, slots=True)
class PatientRow(patients.Patient):
    """A patient, with the providers who care for them first."""

    practitioner_ids: list[UUID]
    extra: dict[str, Any] | None
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class PractitionerRow(providers.Provider):
    """A provider."""

    extra: dict[str, Any] | None
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A provider's work at a facility; version and time are the provider's."""

    id: UUID
    provider_id: UUID
    facility_id: UUID
    provider_name: str
    facility_name: str
    is_primary: bool
    is_active: bool
    associated_at: datetime
    specializations: list[str]
    contact_info: dict[str, Any]
    version: int
    updated_at: datetime
    extra: dict[str, Any] | None
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class LocationRow(facilities.Facility):
    """A facility."""

    extra: dict[str, Any] | None
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """The clinic itself, which has no versions."""

    id: UUID
    name: str
    is_active: bool
    version: int
    updated_at: datetime
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class ServiceRow(catalogue.VisitType):
    """A kind of visit."""

    extra: dict[str, Any] | None
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """The weekly rules of a provider at a facility, in one."""

    id: UUID
    provider_id: UUID
    facility_id: UUID
    provider_name: str
    facility_name: str
    is_active: bool
    begins_on: date
    ends_on: date | None
    specializations: list[str]
    version: int
    updated_at: datetime
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class AppointmentRow(scheduling.Appointment):
    """A visit."""

    extra: dict[str, Any] | None
    keys: list[Any]


def new_patient(made: patients.Patient) -> PatientRow:
    """Return a patient who was just made as `PATIENT` has them: nothing is beside them yet."""
    found = [*_values(made), [], None, []]
    return PatientRow(*found)


def new_visit(made: scheduling.Appointment) -> AppointmentRow:
    """Return a visit that was just made as `APPOINTMENT` has it; see `new_patient`."""
    found = [*_values(made), None, []]
    return AppointmentRow(*found)


def _values(made: Any) -> list[Any]:
    return [getattr(made, one.name) for one in fields(made)]


@dataclass(frozen=True, slots=True)
class RequestRow(medications.Medication):
    """A prescription."""

    extra: dict[str, Any] | None
    keys: list[Any]


EXTRA = "(SELECT e.extra FROM fhir_extras e WHERE e.id = x.id) AS extra"
_PATIENT = patients.GET.sql.replace("$1", "page.id")
PATIENT = Query(
    PatientRow,
    "SELECT x.*, ARRAY(SELECT g.provider_id FROM patient_providers g WHERE g.patient_id = x.id"
    f" AND g.is_primary AND g.ended_at IS NULL) AS practitioner_ids, {EXTRA},"
    f" page.keys FROM {ONE} CROSS JOIN LATERAL ({_PATIENT}) x",
    (*patients.OPENS, *extras.OPENS),
)
# The system's column `xmin` is another one after each change of a row; with the version, one that
# is the same again after a restore from a backup shows. Contact points change with their owner.
PATIENT_STAMP = (
    "concat_ws(' ', p.version, p.updated_at, p.xmin, (SELECT string_agg(g.provider_id::text, ' ')"
    " FROM patient_providers g WHERE g.tenant_id = p.tenant_id AND g.patient_id = p.id"
    " AND g.is_primary AND g.ended_at IS NULL), (SELECT e.xmin FROM fhir_extras e"
    " WHERE e.id = p.id))"
)
APPOINTMENT_STAMP = (
    "concat_ws(' ', a.version, a.updated_at, a.xmin, (SELECT e.xmin FROM fhir_extras e"
    " WHERE e.id = a.id))"
)
PATIENT_GONE = Command(
    "SELECT EXISTS (SELECT FROM patients WHERE id = $1 AND deleted_at IS NOT NULL)"
)
_PRACTITIONER = providers.GET.sql.replace("$1", "page.id")
PRACTITIONER = Query(
    PractitionerRow,
    f"SELECT x.*, {EXTRA}, page.keys FROM {ONE} CROSS JOIN LATERAL ({_PRACTITIONER}) x",
    (*providers.GET.opens, *extras.OPENS),
)
PRACTITIONER_GONE = Command(
    "SELECT EXISTS (SELECT FROM providers WHERE id = $1 AND deleted_at IS NOT NULL)"
)
ROLE_SOURCE = (
    "provider_facilities w"
    " JOIN providers p ON p.tenant_id = w.tenant_id AND p.id = w.provider_id"
    " JOIN facilities l ON l.tenant_id = w.tenant_id AND l.id = w.facility_id"
)
ROLE_GONE = Command(
    "SELECT EXISTS (SELECT FROM record_versions WHERE record_id = $1 AND is_gone)"
    " OR EXISTS (SELECT FROM provider_facilities w JOIN providers p ON p.tenant_id = w.tenant_id"
    " AND p.id = w.provider_id WHERE w.id = $1 AND p.deleted_at IS NOT NULL)"
)
_CONTACT_INFO = contact.info_sql("p", "provider_id")
ROLE = Query(
    RoleRow,
    "SELECT w.id, w.provider_id, w.facility_id,"
    " p.first_name || ' ' || p.last_name AS provider_name, l.name AS facility_name, w.is_primary,"
    " p.is_active AND l.is_active AS is_active, w.associated_at, p.specializations,"
    f" {_CONTACT_INFO}, p.version, p.updated_at, e.extra, page.keys"
    f" FROM {ONE} JOIN {ROLE_SOURCE} ON w.id = page.id LEFT JOIN fhir_extras e ON e.id = w.id"
    " WHERE p.deleted_at IS NULL",
    (*providers.GET.opens, *extras.OPENS),
)
_LOCATION = facilities.GET.sql.replace("$1", "page.id")
LOCATION = Query(
    LocationRow,
    f"SELECT x.*, {EXTRA}, page.keys FROM {ONE} CROSS JOIN LATERAL ({_LOCATION}) x",
    (*facilities.GET.opens, *extras.OPENS),
)
LOCATION_GONE = Command(
    "SELECT EXISTS (SELECT FROM facilities WHERE id = $1 AND deleted_at IS NOT NULL)"
)
ORGANIZATION = Query(
    OrganizationRow,
    "SELECT t.id, t.name, t.is_active, 1 AS version, t.updated_at, page.keys"
    f" FROM {ONE} JOIN tenants t ON t.id = page.id",
)
_SERVICE = catalogue.GET_TYPE.sql.replace("$1", "page.id")
SERVICE = Query(
    ServiceRow,
    f"SELECT x.*, {EXTRA}, page.keys FROM {ONE} CROSS JOIN LATERAL ({_SERVICE}) x",
    extras.OPENS,
)
# One for each place at which a provider has hours.
SCHEDULE_SOURCE = (
    f"{ROLE_SOURCE} CROSS JOIN LATERAL (SELECT min(v.effective_from) AS begins_on,"
    " nullif(max(coalesce(v.effective_until, 'infinity')), 'infinity') AS ends_on"
    " FROM provider_availability v WHERE v.tenant_id = w.tenant_id"
    " AND v.provider_id = w.provider_id AND v.facility_id = w.facility_id AND v.is_available"
    " HAVING count(*) > 0) h"
)
SCHEDULE = Query(
    ScheduleRow,
    "SELECT w.id, w.provider_id, w.facility_id,"
    " p.first_name || ' ' || p.last_name AS provider_name, l.name AS facility_name,"
    " p.is_active AND l.is_active AS is_active, h.begins_on, h.ends_on, p.specializations,"
    " p.version, p.updated_at, page.keys"
    f" FROM {ONE}, {SCHEDULE_SOURCE} WHERE w.id = page.id AND p.deleted_at IS NULL",
)
_APPOINTMENT = scheduling.GET.sql.replace("$1", "page.id")
APPOINTMENT = Query(
    AppointmentRow,
    f"SELECT x.*, {EXTRA}, page.keys FROM {ONE} CROSS JOIN LATERAL ({_APPOINTMENT}) x",
    extras.OPENS,
)
_REQUEST = medications.GET.sql.replace("$1", "page.id")
REQUEST = Query(
    RequestRow,
    f"SELECT x.*, {EXTRA}, page.keys FROM {ONE} CROSS JOIN LATERAL ({_REQUEST}) x",
    extras.OPENS,
)

MAIN_PLACE = Command(
    "SELECT facility_id FROM provider_facilities WHERE provider_id = $1"
    " ORDER BY is_primary DESC, associated_at, id LIMIT 1"
)
ROLE_AT = Command("SELECT id FROM provider_facilities WHERE provider_id = $1 AND facility_id = $2")
LOCK = Command("SELECT pg_advisory_xact_lock($1::bigint)")
# The zone of most facilities first; removed ones count too, for visits have been there.
ZONES = Command(
    "SELECT timezone FROM facilities GROUP BY timezone"
    " ORDER BY count(*) FILTER (WHERE deleted_at IS NULL) DESC, timezone"
)
