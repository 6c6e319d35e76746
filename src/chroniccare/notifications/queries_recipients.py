"""SQL that statements about recipients share: where one can be reached, and who stands in.

The columns `contacts` and `proxies` are opened by `OPENS_CONTACTS` and `OPENS_PROXIES`.
The patient is always `p`, the related person `r`.
"""

from chroniccare.platform.sealing import Opens
from chroniccare.tenancy.queries_addresses import POINT

OPENS_CONTACTS = Opens(POINT, "contacts", within="points")
OPENS_PROXIES = Opens(POINT, "proxies", within="points")
_CONTACTS = (
    "coalesce((SELECT jsonb_agg(jsonb_build_object('point', c.id, 'system', c.system,"
    " 'value', c.value) ORDER BY c.rank, c.id) FROM contact_points c WHERE c.use <> 'old' AND"
)
_DEVICES = (
    "coalesce((SELECT jsonb_agg(jsonb_build_object('system', 'push', 'value', v.endpoint)"
    " ORDER BY v.seen_at DESC, v.id) FROM patient_devices v WHERE v.tenant_id = p.tenant_id"
    " AND v.patient_id = p.id AND v.status = 'enabled'), '[]')"
)
PATIENT_CONTACTS = (
    f"{_CONTACTS} c.tenant_id = p.tenant_id AND c.patient_id = p.id), '[]') || {_DEVICES}"
)
"""The contact points in use of `p`, `{"system", "value"}` by rank, then the devices that take
messages, the one seen last first."""
RELATED_CONTACTS = f"{_CONTACTS} c.tenant_id = r.tenant_id AND c.related_person_id = r.id), '[]')"
"""The same of `r`."""
PROXY = (
    "jsonb_build_object('id', r.id, 'name', r.name, 'relationship', r.relationship,"
    " 'receives', r.receives, 'is_active', r.is_active, 'period_start', r.period_start,"
    " 'period_end', r.period_end, 'categories', r.categories, 'channels', r.channels,"
    " 'consents', r.consent_settings, 'time_zone', coalesce(r.time_zone, p.time_zone),"
    " 'language', r.language, 'address_country', r.contact_info #>> '{address,country}',"
    f" 'contacts', {RELATED_CONTACTS})"
)
"""`r`, a related person of `p`, as a document."""
