"""Organization, Location, HealthcareService and Schedule."""

from chroniccare.fhir import kept, queries, queries_versions
from chroniccare.fhir.kind import Include, Kind, Versions, named
from chroniccare.fhir.kinds import clinic_writers
from chroniccare.fhir.kinds.common import BOOLEAN, every
from chroniccare.fhir.kinds.people import SPECIALTY
from chroniccare.fhir.numbers import KeptNumbers
from chroniccare.fhir.parameters import Reference, Text, Token
from chroniccare.fhir.parameters_more import Period
from chroniccare.fhir.resources import places, schedule

_NAMED = 'l.name COLLATE "C"'
_LINES = "concat_ws(' ', {0}->'line'->>0, {0}->'line'->>1, {0}->'line'->>2, {0}->'line'->>3)"
_ADDRESS = _LINES.format("l.address")

ORGANIZATION = Kind(
    name="Organization",
    scope="facilities:read",
    tag="facilities",
    entity=None,
    read=queries.ORGANIZATION,
    source="tenants t",
    id="t.id",
    where="true",
    gone=None,
    parameters=named(
        *every("t.id", "t.updated_at"),
        Text(name="name", expressions=("t.name",), sort=('t.name COLLATE "C"', "text")),
        # Only its facilities have addresses.
        Text(name="address", expressions=("NULL::text",), null="true"),
        Token(name="active", match="t.is_active = {}", codes=BOOLEAN, cast="boolean"),
    ),
    includes={},
    order=("_id",),
    to_fhir=places.organization,
    always=frozenset({"active", "name"}),
    summary=frozenset(),
)


def _part(name: str, column: str) -> Text:
    """Return the parameter of one part of a facility's address."""
    part = f"l.address ->> '{column}'"
    return Text(name=f"address-{name}", expressions=(part,), null=f"{part} IS NULL")


LOCATION = Kind(
    name="Location",
    scope="facilities:read",
    tag="facilities",
    entity=None,
    read=queries.LOCATION,
    source="facilities l",
    id="l.id",
    where="l.deleted_at IS NULL",
    gone=queries.LOCATION_GONE,
    parameters=named(
        *every("l.id", "l.updated_at", keeps=True),
        KeptNumbers(
            name="identifier", systems={}, id="l.id", ours="", null=kept.null("l.id", "identifier")
        ),
        Text(name="name", expressions=("l.name",), sort=(_NAMED, "text")),
        Text(
            name="address",
            expressions=(
                _ADDRESS,
                "l.address ->> 'city'",
                "l.address ->> 'state'",
                "l.address ->> 'postal_code'",
                "l.address ->> 'country'",
            ),
        ),
        _part("city", "city"),
        _part("state", "state"),
        _part("postalcode", "postal_code"),
        _part("country", "country"),
        Token(
            name="status",
            match="l.is_active = {}",
            codes={"active": (True,), "inactive": (False,)},
            cast="boolean",
        ),
        Token(name="type", match="l.facility_type = {}", systems=("local:facility-type",)),
        Reference(name="organization", targets={"Organization": "l.tenant_id {}"}),
    ),
    includes={},
    order=("_id",),
    to_fhir=places.location,
    versions=Versions("facilities", ("contact_points", "fhir_extras")),
    is_alone=True,
    writer=clinic_writers.LOCATION,
    always=frozenset({"name"}),
    summary=frozenset({"status", "mode", "type", "managingOrganization"}),
)

SERVICE = Kind(
    name="HealthcareService",
    scope="scheduling:read",
    tag="scheduling",
    entity=None,
    read=queries.SERVICE,
    source="visit_types v",
    id="v.id",
    where="true",
    gone=queries_versions.REMOVED,
    parameters=named(
        *every("v.id", "v.updated_at", keeps=True),
        KeptNumbers(
            name="identifier", systems={}, id="v.id", ours="", null=kept.null("v.id", "identifier")
        ),
        Text(name="name", expressions=("v.name",), sort=('v.name COLLATE "C"', "text")),
        Token(name="service-type", match="v.code = {}", systems=("local:visit-type",)),
        Token(name="active", match="v.is_active = {}", codes=BOOLEAN, cast="boolean"),
        Reference(name="organization", targets={"Organization": "v.tenant_id {}"}),
    ),
    includes={},
    order=("_id",),
    to_fhir=places.service,
    versions=Versions("visit_types", ("fhir_extras",), is_soft=False),
    is_alone=True,
    writer=clinic_writers.SERVICE,
    always=frozenset(),
    summary=frozenset({"active", "providedBy", "type", "name", "comment"}),
)

SCHEDULE = Kind(
    name="Schedule",
    scope="appointments:read",
    tag="appointments",
    entity=None,
    read=queries.SCHEDULE,
    source=queries.SCHEDULE_SOURCE,
    id="w.id",
    where="p.deleted_at IS NULL",
    gone=queries.ROLE_GONE,
    parameters=named(
        *every("w.id", "p.updated_at"),
        Reference(
            name="actor",
            targets={"Practitioner": "w.provider_id {}", "Location": "w.facility_id {}"},
        ),
        SPECIALTY,
        Period(
            name="date",
            expression="h.begins_on",
            last="coalesce(h.ends_on, 'infinity')",
            cast="date",
        ),
        Token(
            name="active",
            match="(p.is_active AND l.is_active) = {}",
            codes=BOOLEAN,
            cast="boolean",
        ),
    ),
    includes={
        "actor": (
            Include("Practitioner", lambda row: [row.provider_id]),
            Include("Location", lambda row: [row.facility_id]),
        ),
    },
    order=("_id",),
    to_fhir=schedule.to_fhir,
    always=frozenset({"actor"}),
    summary=frozenset({"active", "specialty", "planningHorizon"}),
)
