"""AuditEvent, any entry of the audit log, and Provenance, one that wrote something.

Neither tells what was changed to what.
"""

from uuid import UUID

from chroniccare.fhir.queries_told import TrailRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, local, said
from chroniccare.fhir.rules_told import OUTCOMES, TARGETS, letter

_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_OPERATIONS = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_PARTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_BY_IP = "2"
PURPOSES = {
    "treatment": "TREAT",
    "break_glass": "BTG",
    "patient_request": "PATRQT",
    "operations": "HOPERAT",
}
_DONE = {"C": "CREATE", "U": "UPDATE", "D": "DELETE"}


def targets(row: TrailRow) -> list[Resource]:
    """Return the resources that the record of an entry is told as."""
    if row.entity_id is None:
        return []
    return [
        common.reference(name, row.entity_id)
        for name, (entity, actions) in TARGETS.items()
        if entity == row.entity_type and (not actions or row.action in actions)
    ]


def event(row: TrailRow, tenant_id: UUID) -> Resource:
    """Return what somebody did or saw, or was refused."""
    purpose = PURPOSES.get(str(row.metadata.get("purpose")))
    network = {"address": row.ip_address, "type": _BY_IP} if row.ip_address else None
    return said(
        common.started("AuditEvent", row.id, row.version, row.updated_at),
        type={"system": _TYPES, "code": "rest"},
        subtype=[{"system": local(tenant_id, "audit-action"), "code": row.action}],
        action=letter(row.action),
        recorded=row.updated_at,
        outcome=OUTCOMES.get(str(row.metadata.get("outcome", "success")), "8"),
        purposeOfEvent=[common.concept(purpose, system=_REASONS, code=purpose)]
        if purpose
        else None,
        agent=[said({"requestor": True, "who": _who(row, tenant_id)}, network=network)],
        source={"observer": common.reference("Organization", tenant_id)},
        entity=_entity(row, tenant_id),
    )


def provenance(row: TrailRow, tenant_id: UUID) -> Resource:
    """Return who wrote a record, when."""
    agent = {
        "type": common.concept("Author", system=_PARTS, code="author"),
        "who": _who(row, tenant_id),
        "onBehalfOf": common.reference("Organization", tenant_id),
    }
    return said(
        common.started("Provenance", row.id, row.version, row.updated_at),
        target=targets(row),
        recorded=row.updated_at,
        activity=common.concept(
            row.action.replace("_", " "), system=_OPERATIONS, code=_DONE[letter(row.action)]
        ),
        agent=[agent],
    )


def _who(row: TrailRow, tenant_id: UUID) -> Resource:
    """Return who did it: keys, staff and clients are no resources, so by their number."""
    kind = row.user_type or "system"
    found: Resource = {"display": kind.replace("_", " ")}
    if row.user_id is not None:
        system = local(tenant_id, kind.replace("_", "-"))
        found["identifier"] = {"system": system, "value": str(row.user_id)}
    return found


def _entity(row: TrailRow, tenant_id: UUID) -> list[Resource]:
    """Return the record; the first type that it is told as, else its number."""
    kind = {"system": local(tenant_id, "audit-entity"), "code": row.entity_type}
    if row.entity_id is None:
        return [{"type": kind}]
    number = {"system": kind["system"], "value": str(row.entity_id)}
    what = next(iter(targets(row)), {"identifier": number})
    return [{"what": what, "type": kind}]
