"""Statements of earlier versions, put together from the constants of a type.

A type's own statement reads them: the rows of then stand in for the tables, under their names. So
the slice's columns, masks, sealed fields and joins hold without a second list.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chroniccare.fhir.kind import Kind
from chroniccare.fhir.queries import ONE
from chroniccare.fhir.queries_versions import Version
from chroniccare.platform.postgres import Query

_NOW = "(SELECT u.id, '[]'::jsonb AS keys, 1 AS n FROM unnest($1::uuid[]) u (id)) page"
_THEN = "(SELECT version_.record_id AS id, '[]'::jsonb AS keys, 1 AS n) page"
_STANDS_IN = (
    "{0} AS (SELECT r.* FROM jsonb_populate_recordset(NULL::{0}, version_.rows -> '{0}') r)"
)
# $1 the least time, $2 and $3 a span in which it was the latest for a while, $4 to $6 time, id and
# version behind which the page begins, $7 how many, $8 the record.
_KEPT = (
    "(SELECT '{name}' AS kind, x.record_id AS id, x.version, x.updated_at, x.is_gone,"
    " true AS is_kept FROM record_versions x WHERE x.table_name = '{kept_as}'"
    " AND ($2::timestamptz IS NULL OR x.replaced_at > $2) AND {which} ORDER BY {order} LIMIT $7)"
)
_LATEST = (
    "(SELECT '{name}', x.record_id, x.version, x.updated_at, x.is_gone, false FROM"
    " (SELECT t.id AS record_id, t.version, t.updated_at, {gone} AS is_gone FROM {table} t"
    " WHERE {rows}) x WHERE {which} ORDER BY {order} LIMIT $7)"
)
_ASKED = (
    "($1::timestamptz IS NULL OR x.updated_at >= $1)"
    " AND ($3::timestamptz IS NULL OR x.updated_at < $3) AND {behind}"
)
_OF_ALL = "$8::uuid IS NULL AND $4::timestamptz IS NULL AND $5::uuid IS NULL AND $6::int IS NULL"
# Without an alternative: an index leads to where the page begins.
_OF_ALL_BEHIND = (
    "$8::uuid IS NULL"
    " AND (x.updated_at, x.record_id, x.version) < ($4::timestamptz, $5::uuid, $6::int)"
)
# The times of one record's versions may not be in order: a change that waited has begun before.
_OF_ONE = (
    "x.record_id = $8::uuid AND ($4::timestamptz IS NULL"
    " OR (x.record_id = $5::uuid AND x.version < $6::int))"
)


def page(kinds: Sequence[Kind], *, of_one: bool, is_first: bool = True) -> Query[Version]:
    """Return the statement of a page of a history, the newest first."""
    of_all = _OF_ALL if is_first else _OF_ALL_BEHIND
    which = _ASKED.format(behind=_OF_ONE if of_one else of_all)
    names = ("version",) if of_one else ("updated_at", "{id}", "version")
    order = ", ".join(f"{name} DESC" for name in names)
    parts = [
        part.format(
            name=kind.name,
            table=kind.versions.table,
            kept_as=kind.versions.kept_as or kind.versions.table,
            rows=kind.versions.where,
            gone="t.deleted_at IS NOT NULL" if kind.versions.is_soft else "false",
            which=which,
            order=order.format(id="record_id"),
        )
        for kind in kinds
        if kind.versions is not None
        for part in (_KEPT, _LATEST)
    ]
    return Query(
        Version,
        f"SELECT h.* FROM ({' UNION ALL '.join(parts)}) h"  # noqa: S608  constants alone
        f" ORDER BY {order.format(id='id')} LIMIT $7",
    )


def kept(kind: Kind) -> Query[Any]:
    """Return the statement that reads earlier versions: of ids $1 the versions $2."""
    assert kind.versions is not None  # noqa: S101  who asks has looked
    tables = (kind.versions.table, *kind.versions.beside)
    stands_in = ", ".join(_STANDS_IN.format(table) for table in tables)
    return replace(
        kind.read,
        sql="SELECT q.* FROM unnest($1::uuid[], $2::int[]) AS asked_ (id, version)"  # noqa: S608  as above
        " JOIN record_versions version_ ON version_.record_id = asked_.id"
        " AND version_.version = asked_.version CROSS JOIN LATERAL"
        f" (WITH {stands_in} {kind.read.sql.replace(ONE, _THEN)}) q",
    )


def latest(kind: Kind) -> Query[Any]:
    """Return the statement that reads the latest version of records: of ids $1."""
    return replace(kind.read, sql=kind.read.sql.replace(ONE, _NOW))
