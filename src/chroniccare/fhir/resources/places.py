"""Organization, Location and HealthcareService."""

from uuid import UUID

from chroniccare.facilities.rules import DAYS
from chroniccare.fhir.queries import LocationRow, OrganizationRow, ServiceRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, local, said

_MIDNIGHT = "24:00"
_NO_TIME = "00:00"


def organization(row: OrganizationRow, tenant_id: UUID) -> Resource:
    """Return the clinic, which is the one organization of its tenant."""
    del tenant_id
    return said(
        common.started("Organization", row.id, row.version, row.updated_at),
        active=row.is_active,
        name=row.name,
    )


def location(row: LocationRow, tenant_id: UUID) -> Resource:
    """Return the facility; R4 has no element for its zone, so that is an extension."""
    return said(
        common.started("Location", row.id, row.version, row.updated_at),
        extension=[{"url": common.ZONE, "valueCode": row.timezone}],
        status="active" if row.is_active else "inactive",
        name=row.name,
        mode="instance",
        type_=[
            common.concept(
                row.facility_type,
                system=local(tenant_id, "facility-type"),
                code=row.facility_type,
            )
        ],
        telecom=common.telecom(row.contact_info),
        address=common.address(row.address),
        managingOrganization=common.reference("Organization", tenant_id),
        hoursOfOperation=hours(row.operating_hours),
    )


def hours(week: dict[str, list[dict[str, str]]]) -> list[Resource]:
    """Return opening hours; what goes on after midnight is told of both days."""
    found: list[Resource] = []
    for number, day in enumerate(DAYS):
        for one in week.get(day, ()):
            begins, ends = one["open"], one["close"]
            if begins == _NO_TIME and ends == _MIDNIGHT:
                found.append({"daysOfWeek": [day[:3]], "allDay": True})
            elif ends == _MIDNIGHT:
                found.append(_range(day, begins, None))
            elif ends <= begins:
                found.append(_range(day, begins, None))
                if ends > _NO_TIME:
                    found.append(_range(DAYS[(number + 1) % len(DAYS)], _NO_TIME, ends))
            else:
                found.append(_range(day, begins, ends))
    return found


def _range(day: str, begins: str, ends: str | None) -> Resource:
    return said(
        {"daysOfWeek": [day[:3]]},
        openingTime=f"{begins}:00",
        closingTime=None if ends is None else f"{ends}:00",
    )


def service(row: ServiceRow, tenant_id: UUID) -> Resource:
    """Return the kind of visit; R4 has no element for its length, so that is an extension."""
    length = {"value": row.duration_minutes, "unit": "min", "system": common.UCUM, "code": "min"}
    return said(
        common.started("HealthcareService", row.id, row.version, row.updated_at),
        extension=[{"url": local(tenant_id, "visit-length"), "valueDuration": length}],
        active=row.is_active,
        providedBy=common.reference("Organization", tenant_id),
        type_=[visit_type(row.code, tenant_id, row.name)],
        name=row.name,
        comment=row.description,
        appointmentRequired=True,
    )


def visit_type(code: str, tenant_id: UUID, text: str | None = None) -> Resource:
    """Return a kind of visit as a code of the clinic's own."""
    return common.concept(text or code, system=local(tenant_id, "visit-type"), code=code)
