"""Every type that is served: routes, searches and /fhir/metadata come of this list."""

from chroniccare.core.caller import Caller, Filters
from chroniccare.core.errors import Forbidden, NotFound
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.kinds import care, people, places
from chroniccare.tenancy.smart_scopes import grants

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
        care.REQUEST,
    )
}


def found(name: str) -> Kind:
    """Return the type called `name`.

    Raises:
        NotFound: it is not served.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise NotFound("This type is not served; see /fhir/metadata.")
    return kind


def opened(caller: Caller, kind: Kind, letter: str) -> list[Filters]:
    """Return which records the caller may read (`r`) or search (`s`); nothing means all.

    SMART clients go by their scopes, all others by those of /api/v1.

    Raises:
        Forbidden: none.
    """
    if caller.smart_scopes:
        granted = grants(caller.smart_scopes, kind.name, letter)
        if granted is None:
            raise Forbidden
        return [] if granted == "all" else list(granted)
    if kind.scope not in caller.scopes:
        raise Forbidden
    return []
