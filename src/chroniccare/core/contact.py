"""Contact points as rows: the SQL and the rows that their four kinds of owner share.

A row belongs to a patient, provider, facility or related person, so the statements differ in the
column of the owner alone.
"""

from typing import Any, Literal

from chroniccare.core.fields import ContactInfo
from chroniccare.core.ids import new_id

Owner = Literal["patient_id", "provider_id", "facility_id", "related_person_id"]

_INFO = (
    "{alias}.contact_info || jsonb_build_object('telecom', coalesce((SELECT jsonb_agg("
    "jsonb_build_object('point', c.id, 'system', c.system, 'value', c.value, 'use', c.use,"
    " 'rank', c.rank)"
    " ORDER BY c.rank, c.id)"
    " FROM contact_points c WHERE c.tenant_id = {alias}.tenant_id AND c.{owner} = {alias}.id),"
    " '[]')) AS contact_info"
)
_REPLACE = (
    "WITH gone AS (DELETE FROM contact_points WHERE {owner} = $3)"
    " INSERT INTO contact_points (id, tenant_id, {owner}, system, value, value_index, use, rank,"
    " created_at) SELECT d.id, $2, $3, d.system, d.value, d.value_index, d.use, d.rank, $4"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, system text, value text, value_index text,"
    " use text, rank smallint)"
)
# An address is sealed apart from its country, which decides what a patient may be sent.
_STALE = (
    "contact_info ->> 'address' IS NOT NULL"
    " AND left(coalesce(contact_info ->> 'sealed', ''), 5) <> $1"
)


def find_stale_sql(table: str) -> str:
    """Return the statement that finds addresses to seal anew, see `tenancy.resealing.Sweep`."""
    return (
        f"SELECT id, contact_info AS value FROM {table} WHERE {_STALE} AND id > $2"  # noqa: S608
        " ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"
    )


def any_stale_sql(table: str) -> str:
    """Return the statement that says whether there are any."""
    return f"SELECT EXISTS (SELECT FROM {table} WHERE {_STALE})"  # noqa: S608  a name of ours


def reseal_sql(table: str) -> str:
    """Return the statement that writes them."""
    return (
        f"UPDATE {table} t SET contact_info = d.value"  # noqa: S608  a name of ours
        " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value jsonb) WHERE t.id = d.id"
    )


def found_by(column: str) -> str:
    """Return the SQL by which rows with an address are found: the hash, or the address in clear.

    CASE and not coalesce(), which row-level security holds for leaky and keeps from the index.
    """
    return f"(CASE WHEN {column}_index IS NULL THEN {column} ELSE {column}_index END)"


def info_sql(alias: str, owner: Owner) -> str:
    """Return the column `contact_info` of the table `alias`, its contact points by rank.

    They are sealed: see `tenancy.queries_addresses.IN_CONTACT_INFO`.
    """
    return _INFO.format(alias=alias, owner=owner)


def replace_sql(owner: Owner) -> str:
    """Return the statement that replaces an owner's contact points.

    Its parameters are the rows as one jsonb document, tenant, owner and instant.
    """
    return _REPLACE.format(owner=owner)


def rows(info: ContactInfo) -> list[dict[str, Any]]:
    """Return the contact points as rows with new ids, in clear."""
    return [{"id": str(new_id()), **point.model_dump()} for point in info.telecom]
