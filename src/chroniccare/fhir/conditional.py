"""Conditions of requests: searches that name the record, and versions that the client knows."""

import hashlib
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from chroniccare.core.errors import Invalid, PreconditionFailed
from chroniccare.core.wire import dumps
from chroniccare.fhir import actions, asking, composing, conditions, outcome, queries
from chroniccare.fhir.kind import Check, Kind
from chroniccare.fhir.numbers import KeptNumbers
from chroniccare.fhir.parameters import Numbers
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.values import coded
from chroniccare.platform.postgres import Tx


def _tags(text: str) -> set[str]:
    return {one.strip().removeprefix("W/") for one in text.split(",")}


def checked(wanted: str | None, unwanted: str | None = None) -> Check:
    """Return what compares a version with If-Match and If-None-Match; ETags are weak here."""

    def check(version: int) -> None:
        known = {"*", f'"{version}"'}
        if wanted and not _tags(wanted) & known:
            raise PreconditionFailed
        if unwanted and _tags(unwanted) & known:
            raise PreconditionFailed("There is such a record, which If-None-Match forbids.")

    return check


def is_known(
    version: object, changed: datetime, *, tags: str | None, since: str | datetime | None
) -> bool:
    """Say whether the client has a version: by If-None-Match, without it by If-Modified-Since.

    A date that cannot be read says nothing (RFC 9110, 13.1.3).
    """
    if tags is not None:
        return bool(_tags(tags) & {"*", f'"{version}"'})
    try:
        at = parsedate_to_datetime(since) if isinstance(since, str) else since
    except (ValueError, OverflowError):  # the latter of a year or an offset
        return False
    if at is None or at.tzinfo is None:
        return False
    return changed.replace(microsecond=0) <= at


async def existing(tx: Tx, kind: Kind, query: str, *, field: str = "If-None-Exist") -> Any:
    """Return the one record that matches a search, or None.

    The search is locked until the commit, so that the same one, made twice at once, makes one.

    Raises:
        Invalid: it is no search (`field` says where it stands), or it cannot be known what matches.
        Ambiguous: several match.
    """
    ask = asking.read(kind, KINDS, asking.pairs_of(query.lstrip("?")), strict=True)
    _check_numbers(kind, ask)
    if not ask.filters:
        raise Invalid.field(field, "must be a search, such as identifier=1", "value")
    said = dumps([tx.caller.tenant_id, kind.name, sorted(ask.pairs)])  # however it is spelled
    key = hashlib.blake2s(said, digest_size=8).digest()
    await tx.run(queries.LOCK, int.from_bytes(key, signed=True))
    asked = await actions.asked_of(tx, zones=True)
    wanted = conditions.scoped(tx.caller, kind, asked)
    wanted += conditions.conditions(tx.caller, kind, ask.filters, asked)
    statement = composing.page(kind, asked, wanted, [(kind.id, "uuid", False)], after=None, limit=2)
    rows = await tx.all(statement, *asked.arguments)
    if len(rows) > 1:
        raise outcome.Ambiguous
    return rows[0] if rows else None


def _check_numbers(kind: Kind, ask: asking.Ask) -> None:
    """Check that numbers are looked for in systems that can be searched.

    Those of other systems are kept beside the record and not found: that none is there cannot be
    known, and a second record would be made.

    Raises:
        Invalid: a number is of another system.
    """
    for one in ask.filters:
        parameter = kind.parameters[one.path[0]] if one.reverse is None else None
        if (
            not isinstance(parameter, Numbers)
            or parameter.other
            or isinstance(parameter, KeptNumbers)
        ):
            continue
        for value in one.values:
            system, bar, _ = coded(value)
            if bar and not system.startswith("urn:uuid:") and system not in parameter.systems:
                reason = "is of a system that is not searched"
                raise Invalid.field(one.said, reason, "not-supported")
