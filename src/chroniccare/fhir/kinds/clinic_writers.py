"""How providers, where they work, facilities and kinds of visits are written.

By the actions of their slices.
"""

from typing import Any
from uuid import UUID

from chroniccare.core.errors import Conflict, Unprocessable
from chroniccare.facilities import actions as facilities
from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.fhir import outcome, queries
from chroniccare.fhir.kind import Check, Resource, Writer
from chroniccare.fhir.kinds.common import email, phone
from chroniccare.fhir.kinds.writers import here, made, one_id
from chroniccare.fhir.resources import clinic_write, service_write
from chroniccare.fhir.resources.common import target_of
from chroniccare.platform.postgres import Tx
from chroniccare.providers import actions as providers
from chroniccare.providers.queries import Provider
from chroniccare.providers.schemas import ProviderWrite
from chroniccare.scheduling.catalogue import actions as catalogue
from chroniccare.scheduling.catalogue.schemas import VisitTypeWrite

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
    clinic_write.check_role(said, is_active=True)
    provider_id = one_id(target_of(said.get("practitioner"), "Practitioner"), "provider_id")
    place = one_id(target_of(said["location"][0], "Location"), "facilities")
    provider = await providers.get_locked(tx, provider_id)
    links = [{name: one[name] for name in _LINK} for one in provider.facilities]
    if str(place) in {str(one["facility_id"]) for one in links}:
        raise WorksThere
    is_primary = not any(one["is_primary"] for one in links)
    added = clinic_write.specialties(said)
    body = _changed(
        provider,
        facilities=[*links, {"facility_id": place, "is_primary": is_primary}],
        specializations=list(dict.fromkeys([*provider.specializations, *added])),
    )
    await providers.update(tx, provider, body)
    role: UUID = await tx.value(queries.ROLE_AT, provider_id, place)
    return role


async def _respecialize(tx: Tx, role_id: UUID, said: Resource, check: Check) -> bool:
    """Replace what a provider is specialized in, as each of the provider's roles tells it."""
    said = here(tx, said)
    role, provider = await _role_locked(tx, role_id)
    check(provider.version)
    clinic_write.check_role(said, is_active=role.is_active)
    names = (target_of(said.get("practitioner"), "Practitioner"),
             target_of(said["location"][0], "Location"))  # fmt: skip
    for name, kept, field in zip(
        names, (role.provider_id, role.facility_id), ("provider_id", "facilities"), strict=True
    ):
        if name != str(kept):
            reason = "cannot change: delete this role, and make another"
            raise Unprocessable.field(field, reason, "value")
    named = list(dict.fromkeys(clinic_write.specialties(said)))
    await providers.update(tx, provider, _changed(provider, specializations=named))
    return True


async def _leave(tx: Tx, role_id: UUID, check: Check) -> None:
    """Have a provider work at a facility no longer; not while their weekly hours are there."""
    role, provider = await _role_locked(tx, role_id)
    check(provider.version)
    left = [
        {name: one[name] for name in _LINK}
        for one in provider.facilities
        if str(one["facility_id"]) != str(role.facility_id)
    ]
    await providers.update(tx, provider, _changed(provider, facilities=left))


async def _role_locked(tx: Tx, role_id: UUID) -> tuple[queries.RoleRow, Provider]:
    """Return a role and its provider, whose row is locked: a role is a part of that.

    Raises:
        Gone: somebody removed it meanwhile.
    """
    role = await tx.one(queries.ROLE, role_id)
    if role is not None:
        provider = await providers.get_locked(tx, role.provider_id)
        role = await tx.one(queries.ROLE, role_id)
    if role is None:
        raise outcome.Gone
    return role, provider


def _changed(provider: Provider, **fields: Any) -> ProviderWrite:
    kept = {name: getattr(provider, name) for name in ProviderWrite.model_fields}
    kept["facilities"] = [{name: one[name] for name in _LINK} for one in provider.facilities]
    body: ProviderWrite = made(ProviderWrite, {**kept, **fields})
    return body


ROLE = Writer(
    scope="providers:write",
    places=clinic_write.ROLE_PLACES,
    create=_employ,
    update=_respecialize,
    delete=_leave,
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


def _kind_of_visit(tx: Tx, said: Resource, kept: dict[str, Any]) -> VisitTypeWrite:
    fields = service_write.from_fhir(said, kept, tx.caller.tenant_id)
    body: VisitTypeWrite = made(VisitTypeWrite, fields)
    return body


async def _offer(tx: Tx, said: Resource) -> UUID:
    return (await catalogue.create_type(tx, _kind_of_visit(tx, said, {}))).id


async def _reword(tx: Tx, service_id: UUID, said: Resource, check: Check) -> bool:
    service = await catalogue.get_type_locked(tx, service_id)
    check(service.version)
    kept = {name: getattr(service, name) for name in VisitTypeWrite.model_fields}
    await catalogue.update_type(tx, service, _kind_of_visit(tx, said, kept))
    return True


async def _withdraw(tx: Tx, service_id: UUID, check: Check) -> None:
    service = await catalogue.get_type_locked(tx, service_id)
    check(service.version)
    await catalogue.delete_type(tx, service)


SERVICE = Writer(
    scope="scheduling:write",
    places=service_write.PLACES,
    create=_offer,
    update=_reword,
    delete=_withdraw,
    patient=lambda _row: None,
)
