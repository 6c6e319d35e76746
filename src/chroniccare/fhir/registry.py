"""Every type that is served: routes, searches and /fhir/metadata come of this list."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from chroniccare.core.caller import Caller, Filters, SmartScope
from chroniccare.core.errors import Forbidden, NotFound
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.kinds import beside, care, people, places, responses, told, trails
from chroniccare.fhir.stored.kinds import kinds as stored
from chroniccare.tenancy.masks import hidden
from chroniccare.tenancy.smart_scopes import PEOPLE, PROGRAMS, grants

_WRITES = "cud"
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        people.PATIENT,
        people.PRACTITIONER,
        people.ROLE,
        places.ORGANIZATION,
        places.LOCATION,
        places.SERVICE,
        places.SCHEDULE,
        care.APPOINTMENT,
        responses.RESPONSE,
        care.REQUEST,
        beside.RELATED,
        beside.TEAM,
        beside.DISPENSE,
        beside.ADMINISTRATION,
        told.STATEMENT,
        told.REQUEST,
        told.COMMUNICATION,
        told.CONSENT,
        trails.EVENT,
        trails.PROVENANCE,
    )
}
KINDS.update(stored(KINDS))


def found(name: str) -> Kind:
    """Return the type called `name`.

    Raises:
        NotFound: it is not served.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise NotFound("This type is not served; see /fhir/metadata.")
    return kind


def seen_by(caller: Caller, kind: Kind) -> Caller:
    """Return the caller with what the role does not see of this type; a search is a read."""
    names = hidden(caller, "GET", kind.tag)
    return replace(caller, hidden=names) if names != caller.hidden else caller


def reads(caller: Caller, kind: Kind) -> bool:
    """Say whether the caller may read every record of a type."""
    try:
        return not opened(caller, kind, "r")
    except Forbidden:
        return False


def opened(caller: Caller, kind: Kind, letter: str) -> list[Filters]:
    """Return which records the caller may do with what a letter of `cruds` says; nothing: all.

    SMART clients go by their scopes, all others by those of /api/v1; a member of staff whose token
    has scopes of SMART by both.

    Raises:
        Forbidden: none.
    """
    scope = kind.writer.scope if letter in _WRITES and kind.writer else kind.scope
    if scope not in caller.scopes and not is_program(caller):
        raise Forbidden
    if not caller.smart_scopes:
        return []
    scopes = [one for one in caller.smart_scopes if one.type != "*" or not kind.is_named]
    granted = granted_to(caller, scopes, kind.name, letter)
    if granted is None:
        raise Forbidden
    if granted == "all":
        return []
    if letter in _WRITES:  # what is written may be outside of what the parameters open
        raise Forbidden
    return list(granted)


def is_program(caller: Caller) -> bool:
    """Say whether SMART's scopes alone decide: of a client, not of a person's token."""
    return bool(caller.smart_scopes) and caller.role is None


def granted_to(
    caller: Caller, scopes: Sequence[SmartScope], name: str, letter: str
) -> Literal["all"] | list[Filters] | None:
    """Return what scopes of SMART open to this caller; see `grants`."""
    return grants(scopes, name, letter, PROGRAMS if caller.role is None else PEOPLE)
