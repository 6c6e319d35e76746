"""AuditEvent and Provenance, from the audit log."""

from chroniccare.fhir import queries_told as told
from chroniccare.fhir.kind import Kind, named
from chroniccare.fhir.kinds.common import every
from chroniccare.fhir.parameters import Always, Date, Reference, Text, Token
from chroniccare.fhir.parameters_more import Who
from chroniccare.fhir.resources import trail
from chroniccare.fhir.rules_told import LETTER, OUTCOME, OUTCOMES, TARGETS, WRITTEN, among

_AT = ("a.created_at", "timestamptz")


def _target(name: str) -> str:
    """Return the condition that an entry is of a record of a type; `{}` is where its id goes."""
    entity, actions = TARGETS[name]
    also = f" AND a.action IN {among(actions)}" if actions else ""
    return f"(a.entity_type = '{entity}'{also} AND a.entity_id {{}})"


_ENTITIES = {name: _target(name) for name in TARGETS}

EVENT = Kind(
    name="AuditEvent",
    scope="audit:read",
    tag="audit",
    entity="audit_log",
    read=told.TRAIL,
    source="audit_logs a",
    id="a.id",
    where="true",
    gone=None,
    parameters=named(
        *every("a.id", "a.created_at"),
        Date(name="date", expression="a.created_at", sort=_AT),
        Reference(name="patient", targets={"Patient": told.OF_PATIENT}, null="a.entity_id IS NULL"),
        Reference(name="entity", targets=_ENTITIES, null="a.entity_id IS NULL"),
        Token(name="entity-type", match="a.entity_type = {}", systems=("local:audit-entity",)),
        Who(name="agent", expression="a.user_id", null="a.user_id IS NULL"),
        Token(
            name="action",
            match=f"{LETTER} = {{}}",
            systems=("http://hl7.org/fhir/audit-event-action",),
        ),
        Token(name="subtype", match="a.action = {}", systems=("local:audit-action",)),
        Always(name="type", code="rest"),
        Token(
            name="outcome",
            match=f"{OUTCOME} = {{}}",
            codes={code: (own,) for own, code in OUTCOMES.items()},
            systems=("http://hl7.org/fhir/audit-event-outcome",),
        ),
        Text(
            name="address",
            expressions=("host(a.ip_address)",),
            null="a.ip_address IS NULL",
        ),
    ),
    includes={},
    order=("date", "_id"),
    to_fhir=trail.event,
    always=frozenset({"type", "recorded", "agent", "source"}),
    summary=frozenset({"subtype", "action", "outcome", "purposeOfEvent"}),
    is_named=True,
    grows=_AT[0],
)

PROVENANCE = Kind(
    name="Provenance",
    scope="audit:read",
    tag="audit",
    entity="audit_log",
    read=told.WRITE,
    source="audit_logs a",
    id="a.id",
    where=WRITTEN,
    gone=None,
    parameters=named(
        *every("a.id", "a.created_at"),
        Reference(name="target", targets=_ENTITIES),
        Reference(name="patient", targets={"Patient": _ENTITIES["Patient"]}),
        Date(name="recorded", expression="a.created_at", sort=_AT),
        Who(name="agent", expression="a.user_id", null="a.user_id IS NULL"),
    ),
    includes={},
    order=("recorded", "_id"),
    to_fhir=trail.provenance,
    always=frozenset({"target", "recorded", "agent"}),
    summary=frozenset(),
    is_named=True,
    grows=_AT[0],
)
