"""What holds in a clinic when a batch of its messages is made.

A message gets the text that is active when it is sent, not when it was planned: the rows are read
in the transaction that makes it. Only their ids; a version never changes, so once compiled it is
kept.
"""

import logging
from collections.abc import Iterable, Sequence
from uuid import UUID

from jinja2 import TemplateError

from chroniccare.notifications.templates import engine, making, queries
from chroniccare.notifications.templates.text import Source
from chroniccare.platform.postgres import Tx

log = logging.getLogger(__name__)

_MOST = 500
_kept: dict[UUID, engine.Compiled] = {}
"""The versions of all clinics that were used last, by their ids; the oldest use comes first."""


async def load(tx: Tx, kinds: Iterable[str]) -> making.Texts:
    """Return the clinic's rules and its active texts of these types: one statement, mostly."""
    rows = await tx.all(queries.ACTIVE, sorted(set(kinds)))
    first = rows[0]
    policy = making.Policy()
    if first.default_locale is not None:
        policy = making.Policy(
            first.default_locale, first.max_segments or policy.max_segments,
            plain_letters=bool(first.plain_letters),
        )  # fmt: skip
    own = [row for row in rows if row.version_id is not None]
    if own:
        await _compile(tx, own)
    return making.Texts(policy, {
        (row.notification_type or "", row.channel or "", row.locale or ""):
        (row.version_id, _used(row.version_id))
        for row in own
        if row.version_id is not None
    })  # fmt: skip


async def _compile(tx: Tx, rows: Sequence[queries.Active]) -> None:
    missing = {row.version_id: row.locale or "" for row in rows if row.version_id not in _kept}
    if not missing:
        return
    for written in await tx.all(queries.WRITTEN, list(missing)):
        source = Source(written.text, written.subject, written.html)
        try:
            made = engine.compiled(source, locale=missing[written.id], version_id=written.id)
        except (TemplateError, SyntaxError) as error:
            # Checked when it was written, so somebody changed the rules since: its messages fail
            # with a reason, the others go out.
            log.error(  # noqa: TRY400  an exception's text would quote the template
                "template cannot be read",
                extra={"version_id": str(written.id), "kind": type(error).__name__},
            )
            continue
        _kept[written.id] = made


def _used(version_id: UUID) -> engine.Compiled | None:
    """Return a kept version as the one used last; forget the one that nobody used longest."""
    found = _kept.pop(version_id, None)
    if found is not None:
        while len(_kept) >= _MOST:
            del _kept[next(iter(_kept))]
        _kept[version_id] = found
    return found
