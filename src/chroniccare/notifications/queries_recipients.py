"""SQL that statements about recipients share: where one can be reached, and who stands in."""

from typing import Literal

_CONTACTS = (
    "coalesce((SELECT jsonb_agg(jsonb_build_object('system', c.system, 'value', c.value)"
    " ORDER BY c.rank, c.id) FROM contact_points c WHERE c.tenant_id = {alias}.tenant_id"
    " AND c.{owner} = {alias}.{column} AND c.use <> 'old'), '[]')"
)


def contacts_sql(alias: str, owner: Literal["patient_id", "related_person_id"], column: str) -> str:
    """Return an expression: the contact points in use of the owner in `alias`.`column`, by rank."""
    return _CONTACTS.format(alias=alias, owner=owner, column=column)


_PROXY = (
    "jsonb_build_object('id', {alias}.id, 'name', {alias}.name,"
    " 'relationship', {alias}.relationship, 'receives', {alias}.receives,"
    " 'is_active', {alias}.is_active, 'period_start', {alias}.period_start,"
    " 'period_end', {alias}.period_end, 'categories', {alias}.categories,"
    " 'channels', {alias}.channels, 'consents', {alias}.consent_settings,"
    " 'time_zone', coalesce({alias}.time_zone, {time_zone}), 'language', {alias}.language,"
    " 'address_country', {alias}.contact_info #>> '{{address,country}}', 'contacts', {contacts})"
)


def proxy_sql(alias: str, time_zone: str) -> str:
    """Return an expression: a related person as a document; `time_zone` is the patient's."""
    return _PROXY.format(
        alias=alias, time_zone=time_zone, contacts=contacts_sql(alias, "related_person_id", "id")
    )
