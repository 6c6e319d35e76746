"""SQL of what of the audit has been kept long enough."""

from dataclasses import dataclass

from chroniccare.platform.postgres import Command, Query
from chroniccare.privacy.queries_retention import HELD


@dataclass(frozen=True, slots=True)
class Sealed:
    """One seal: whether its row is old enough to go, and whether it is a held patient's."""

    seq: int
    is_old: bool
    is_held: bool


@dataclass(frozen=True, slots=True)
class Seal:
    """The hash of one seal."""

    hash: bytes


# $1: whether copies are kept, and what is not copied yet stays.
MOST = Command(
    "SELECT coalesce(least(max(seq) - 1,"
    " CASE WHEN $1::boolean THEN coalesce((SELECT seq FROM audit_copies), 0) END), 0)"
    " FROM audit_seals"
)
NEXT = Query(
    Sealed,
    "SELECT s.seq, a.created_at < $2 AND s.sealed_at < $2 AS is_old,"
    f" a.entity_id IN ({HELD}) IS TRUE AS is_held"
    " FROM audit_seals s JOIN audit_logs a ON a.tenant_id = s.tenant_id AND a.id = s.audit_id"
    " WHERE s.seq > $1 ORDER BY s.seq LIMIT $3",
)
SEAL = Query(Seal, "SELECT hash FROM audit_seals WHERE seq = $1")
# For the owner of the schema alone, hence no `Command`, which a role of ours must be able to run.
PRUNE = "SELECT prune_audit_of_tenant($1, $2, $3)"
