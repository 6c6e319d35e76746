"""What holds in a clinic when a batch of its messages is made.

A message gets the text that is active when it is sent, not when it was planned: the rows are read
in the transaction that makes it. Only their ids; a version never changes, so once compiled it is
kept.
"""

import logging
from collections.abc import Iterable, Sequence
from uuid import UUID

from chroniccare.notifications.templates import engine, kinds, lint, making, queries
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
            plain_letters=bool(first.plain_letters), asks=first.asks,
        )  # fmt: skip
    own = [row for row in rows if row.version_id is not None]
    if not own:
        return making.Texts(policy)
    ready = await _compiled(tx, own)
    return making.Texts(policy, {
        (row.notification_type or "", row.channel or "", row.locale or ""):
        (row.version_id, ready.get(row.version_id))
        for row in own
        if row.version_id is not None
    })  # fmt: skip


async def _compiled(tx: Tx, rows: Sequence[queries.Active]) -> dict[UUID, engine.Compiled]:
    """Return the versions in `rows`, ready to render; one that cannot be read is left out."""
    by_id = {row.version_id: row for row in rows if row.version_id is not None}
    ready = {one: _kept[one] for one in by_id if one in _kept}
    missing = [one for one in by_id if one not in ready]
    for written in await tx.all(queries.WRITTEN, missing) if missing else ():
        made = _template(by_id[written.id], written)
        if made is not None:
            ready[written.id] = made
    for one, template in ready.items():
        _kept.pop(one, None)
        _kept[one] = template  # as the one used last
    while len(_kept) > _MOST:
        del _kept[next(iter(_kept))]
    return ready


def _template(row: queries.Active, written: queries.Written) -> engine.Compiled | None:
    """Return a version ready to render; None for one that may not be any more.

    It was looked at when it was written, so rules have changed since, or somebody wrote past them:
    its messages fail with a reason, the others go out.
    """
    source = Source(written.text, written.subject, written.html)
    kind, channel = row.notification_type or "", row.channel or ""
    if any(
        engine.faults(part, kinds.allowed(kind, channel, name)) for name, part in lint.parts(source)
    ):
        log.error("template cannot be read", extra={"version_id": str(written.id)})
        return None
    return engine.compiled(source, locale=row.locale or "", version_id=written.id)
