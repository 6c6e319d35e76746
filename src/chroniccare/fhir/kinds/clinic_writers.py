"""How providers, where they work, and facilities are written: by the actions of their slices."""

from typing import Any
from uuid import UUID

from chroniccare.core.errors import Conflict
from chroniccare.facilities import actions as facilities
from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.fhir import queries
from chroniccare.fhir.kind import Check, Resource, Writer
from chroniccare.fhir.kinds.common import email, phone
from chroniccare.fhir.kinds.writers import here, made, one_id
from chroniccare.fhir.resources import clinic_write
from chroniccare.fhir.resources.common import target_of
from chroniccare.platform.postgres import Tx
from chroniccare.providers import actions as providers
from chroniccare.providers.schemas import ProviderWrite

_LINK = ("facility_id", "is_primary")


def _provider(said: Resource, kept: dict[str, Any]) -> ProviderWrite:
    fields = clinic_write.practitioner(said, kept, phone=phone, email=email)
    body: ProviderWrite = made(ProviderWrite, fields)
    return body


async def _register(tx: Tx, said: Resource) -> UUID:
    return (await providers.create(tx, _provider(said, {}))).id


async def _change(tx: Tx, provider_id: UUID, said: Resource, check: Check) -> bool:
    provider = await providers.get_locked(tx, provider_id)
    check(provider.version)
    kept = {name: getattr(provider, name) for name in ProviderWrite.model_fields}
    kept["facilities"] = [{name: one[name] for name in _LINK} for one in provider.facilities]
    await providers.update(tx, provider, _provider(said, kept))
    return True


async def _remove(tx: Tx, provider_id: UUID, check: Check) -> None:
    provider = await providers.get_locked(tx, provider_id)
    check(provider.version)
    await providers.delete(tx, provider)


PRACTITIONER = Writer(
    scope="providers:write",
    places=clinic_write.PRACTITIONER_PLACES,
    create=_register,
    update=_change,
    delete=_remove,
    patient=lambda _row: None,
)


class WorksThere(Conflict):
    """A provider works at a facility once."""

    code = "WORKS_THERE"
    message = "The provider works at this facility already."


async def _employ(tx: Tx, said: Resource) -> UUID:
    """Have a provider work at a facility, too; specialties are the provider's and add up."""
    said = here(tx, said)
    clinic_write.check_role(said)
    provider_id = one_id(target_of(said.get("practitioner"), "Practitioner"), "provider_id")
    place = one_id(target_of(said["location"][0], "Location"), "facilities")
    provider = await providers.get_locked(tx, provider_id)
    links = [{name: one[name] for name in _LINK} for one in provider.facilities]
    if str(place) in {str(one["facility_id"]) for one in links}:
        raise WorksThere
    is_primary = not any(one["is_primary"] for one in links)
    kept = {name: getattr(provider, name) for name in ProviderWrite.model_fields}
    added = clinic_write.specialties(said)
    fields = {
        **kept,
        "facilities": [*links, {"facility_id": place, "is_primary": is_primary}],
        "specializations": list(dict.fromkeys([*provider.specializations, *added])),
    }
    await providers.update(tx, provider, made(ProviderWrite, fields))
    role: UUID = await tx.value(queries.ROLE_AT, provider_id, place)
    return role


ROLE = Writer(
    scope="providers:write",
    places=clinic_write.ROLE_PLACES,
    create=_employ,
    update=None,  # what it tells is the provider's and the facility's
    delete=None,
    patient=lambda _row: None,
    decided=frozenset({"active", "specialty"}),
)


def _facility(tx: Tx, said: Resource, kept: dict[str, Any]) -> FacilityWrite:
    fields = clinic_write.location(said, kept, tx.caller.tenant_id, phone=phone, email=email)
    body: FacilityWrite = made(FacilityWrite, fields)
    return body


async def _open(tx: Tx, said: Resource) -> UUID:
    zones = await tx.values(queries.ZONES)
    kept = {"timezone": zones[0] if zones else None}
    return (await facilities.create(tx, _facility(tx, said, kept))).id


async def _move(tx: Tx, facility_id: UUID, said: Resource, check: Check) -> bool:
    facility = await facilities.get_locked(tx, facility_id)
    check(facility.version)
    kept = {name: getattr(facility, name) for name in FacilityWrite.model_fields}
    await facilities.update(tx, facility, _facility(tx, said, kept))
    return True


async def _close(tx: Tx, facility_id: UUID, check: Check) -> None:
    facility = await facilities.get_locked(tx, facility_id)
    check(facility.version)
    await facilities.delete(tx, facility)


LOCATION = Writer(
    scope="facilities:write",
    places=clinic_write.LOCATION_PLACES,
    create=_open,
    update=_move,
    delete=_close,
    patient=lambda _row: None,
)
