"""Every type that is served: routes, searches and /fhir/metadata come of this list."""

from dataclasses import replace

from chroniccare.core.caller import Caller, Filters
from chroniccare.core.errors import Forbidden, NotFound
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.kinds import beside, care, people, places, responses, told, trails
from chroniccare.fhir.stored.kinds import kinds as stored
from chroniccare.tenancy.masks import hidden
from chroniccare.tenancy.smart_scopes import grants

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

    SMART clients go by their scopes, all others by those of /api/v1.

    Raises:
        Forbidden: none.
    """
    if caller.smart_scopes:
        scopes = [one for one in caller.smart_scopes if one.type != "*" or not kind.is_named]
        granted = grants(scopes, kind.name, letter)
        if granted is None:
            raise Forbidden
        if granted == "all":
            return []
        if letter in _WRITES:  # what is written may be outside of what the parameters open
            raise Forbidden
        return list(granted)
    scope = kind.writer.scope if letter in _WRITES and kind.writer else kind.scope
    if scope not in caller.scopes:
        raise Forbidden
    return []
