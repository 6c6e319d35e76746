"""SQL of API keys for who administers them."""

from chroniccare.platform.postgres import Query
from chroniccare.tenancy.queries import ApiKey

_SELECT = (
    "SELECT id, key_name, key_id, environment, scopes, is_active, last_used_at, expires_at,"
    " created_at, revoked_at, networks FROM api_keys"
)
GET = Query(ApiKey, f"{_SELECT} WHERE id = $1")
GET_FOR_UPDATE = Query(ApiKey, GET.sql + " FOR NO KEY UPDATE")
LIST = Query(
    ApiKey,
    f"{_SELECT} WHERE ($1::timestamptz IS NULL OR created_at < $1 OR (created_at = $1"
    " AND id < $2)) ORDER BY created_at DESC, id DESC LIMIT $3",
)
