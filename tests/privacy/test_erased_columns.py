"""Every column that can hold words is emptied at an erasure, or says why it is kept."""

import re

import pytest

from chroniccare.platform.owner import owner_connection
from chroniccare.privacy.queries_erasing import STEPS
from chroniccare.privacy.queries_tables import ROWS
from tests.privacy.kept import KEPT_COLUMNS

_NOTHING = re.compile(r"(NULL|'(\{\}|\[\]|)'|'[Ee]rased'|'erased-' \|\| id)")
"""What an erased column is set to: nothing of what stood there."""
_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    " AND table_name = ANY ($1) AND is_generated = 'NEVER'"
    " AND data_type IN ('text', 'character varying', 'jsonb', 'bytea', 'ARRAY', 'inet')"
)


def emptied(statements: tuple[str, ...]) -> dict[str, set[str]]:
    """Return by table which columns statements empty; `*`: their rows go."""
    found: dict[str, set[str]] = {}
    for sql in statements:
        if gone := re.match(r"DELETE FROM (\w+)", sql):
            found.setdefault(gone[1], set()).add("*")
        elif changed := re.match(r"UPDATE (\w+) SET (.*?) WHERE ", sql):
            pairs = re.findall(r"(\w+) = ((?:[^,()]|\([^()]*\))+)", changed[2])
            columns = {name for name, value in pairs if _NOTHING.fullmatch(value.strip())}
            found.setdefault(changed[1], set()).update(columns)
    return found


async def words(url: str) -> set[tuple[str, str]]:
    """Return every column of the patients' tables that can hold words."""
    async with owner_connection(url) as owner:
        return {(table, column) for table, column in await owner.fetch(_COLUMNS, list(ROWS))}


async def test_sec_44_every_column_is_emptied_or_says_why_it_is_kept(database_url: str) -> None:
    gone = emptied(tuple(step.sql for _, step in STEPS))
    left = {
        (table, column)
        for table, column in await words(database_url)
        if not {"*", column} & gone.get(table, set())
    }
    # No column is without a line, and no line without a column.
    assert left == {(table, column) for table, some in KEPT_COLUMNS.items() for column in some}


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("UPDATE t SET note = NULL, name = 'Erased' WHERE id = $1", {"note", "name"}),
        ("UPDATE t SET note = note, a = '{}', b = coalesce(b, '') WHERE id = $1", {"a"}),
        ("UPDATE t SET x = CASE WHEN y = 'a' THEN NULL ELSE x END WHERE id = $1", set()),
        ("DELETE FROM t WHERE id = $1", {"*"}),
    ],
)
def test_what_only_looks_emptied_is_not(sql: str, columns: set[str]) -> None:
    assert emptied((sql,)) == {"t": columns}
