"""Providers: register, change, remove, find."""

from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging, wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.text import prefix_range
from chroniccare.platform.cache import Rendered, cache
from chroniccare.platform.postgres import Tx, begin
from chroniccare.providers import queries, rules
from chroniccare.providers.schemas import ProviderWrite
from chroniccare.tenancy import addresses

CACHED_S = 600
_US_NPI = "http://hl7.org/fhir/sid/us-npi"


class NpiTaken(Conflict):
    """Another provider of this clinic has the NPI."""

    code = "NPI_TAKEN"
    message = "Another provider has this NPI."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("npi", "is another provider's", "taken")])


class ProviderInUse(Conflict):
    """Visits with the provider are still to come."""

    code = "PROVIDER_IN_USE"
    message = "Cancel or move the provider's visits that are still to come."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("appointments", "are still to come", "in_use")])


class StillAvailable(Conflict):
    """Weekly rules stand at a facility that the provider is about to leave."""

    code = "STILL_AVAILABLE"
    message = "The provider's weekly availability names a facility that would be left."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("facilities", "availability names one", "in_use")])


def key(tenant_id: UUID, provider_id: UUID) -> str:
    """Return the cache key of one provider."""
    return f"provider:{tenant_id}:{provider_id}"


def lists(tenant_id: UUID) -> str:
    """Return the key of the generation of cached provider lists."""
    return f"providers:{tenant_id}:list"


async def create(tx: Tx, body: ProviderWrite) -> queries.Provider:
    """Register a provider, who can be booked from now on.

    Raises:
        NpiTaken: another provider has the NPI.
        Unprocessable: an identifier is missing or wrong, or a facility is unknown.
    """
    await _check(tx, body)
    provider_id = new_id()
    if not await tx.run(queries.INSERT, _document(provider_id, body), tx.caller.tenant_id, tx.now):
        raise NpiTaken
    await _write_contact_points(tx, provider_id, body)
    provider = await get(tx, provider_id)
    await tell(tx, "create", provider_id, before=None, after=provider)
    return provider


async def update(tx: Tx, provider: queries.Provider, body: ProviderWrite) -> queries.Provider:
    """Replace `provider`, which this transaction has locked, by `body`.

    Raises:
        NpiTaken: another provider has the NPI.
        StillAvailable: weekly rules stand at a facility that `body` leaves out.
        Unprocessable: an identifier is missing or wrong, or a facility is unknown.
    """
    await _check(tx, body)
    if body.npi not in {None, provider.npi} and await tx.value(
        queries.NPI_TAKEN, body.npi, provider.id
    ):
        raise NpiTaken
    kept = [link.facility_id for link in body.facilities]
    if works_at(provider) - {str(facility_id) for facility_id in kept} and await tx.value(
        queries.RULES_ELSEWHERE, provider.id, kept
    ):
        raise StillAvailable
    await tx.run(queries.CLEAR, provider.id, provider.specializations, kept)
    await tx.run(queries.UPDATE, _document(provider.id, body), tx.caller.tenant_id, tx.now)
    await _write_contact_points(tx, provider.id, body)
    changed = await get(tx, provider.id)
    await tell(tx, "update", provider.id, before=provider, after=changed)
    return changed


async def delete(tx: Tx, provider: queries.Provider) -> None:
    """Remove `provider`, which this transaction has locked, softly; its NPI is free again.

    Raises:
        ProviderInUse: a visit with the provider is not over yet.
    """
    if await tx.value(queries.VISITS_TO_COME, provider.id, tx.now):
        raise ProviderInUse
    await tx.run(queries.DELETE, provider.id, tx.now)
    await tell(tx, "delete", provider.id, before=provider, after=None)
    tx.bump(key(tx.caller.tenant_id, provider.id) + ":appointments")


async def get(tx: Tx, provider_id: UUID) -> queries.Provider:
    """Return one provider.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    provider = await tx.one(queries.GET, provider_id)
    if provider is None:
        raise NotFound("No such provider.")
    return provider


async def get_locked(tx: Tx, provider_id: UUID) -> queries.Provider:
    """Return one provider and lock its row; see `get`."""
    provider = await tx.one(queries.GET_FOR_UPDATE, provider_id)
    if provider is None:
        raise NotFound("No such provider.")
    return provider


async def rendered(caller: Caller, provider_id: UUID) -> Rendered:
    """Return one provider as bytes, from the cache where it can be had.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """

    async def load() -> Rendered:
        async with begin(caller) as tx:
            provider = await get(tx, provider_id)
        return Rendered(provider.version, wire.dumps(provider))

    return await cache().through(key(caller.tenant_id, provider_id), CACHED_S, load)


async def search(
    tx: Tx,
    *,
    filters: list[Any],
    name: str | None,
    cursor: str | None,
    limit: int,
) -> paging.Page[queries.Provider]:
    """Return one page of providers by last name, first name and id.

    `filters` are NPI, specialization, facility, active and ids, each or None; `name` is what the
    last name begins with, as is.
    """
    listed = [*filters, name]
    after = paging.decode(cursor, "providers", listed, [str, str, UUID]) or [None, None, None]
    low, high = (None, None) if name is None else prefix_range(name)
    rows = await tx.all(queries.LIST, *filters, low, high, *after, limit + 1)
    return paging.page(
        rows, limit, listing="providers", filters=listed,
        key=lambda row: [row.last_name, row.first_name, row.id],
    )  # fmt: skip


async def _check(tx: Tx, body: ProviderWrite) -> None:
    """Raise Unprocessable with everything in `body` that is against a rule."""
    faults = [*_identifier_faults(body), *_link_faults(body)]
    if body.facilities:
        asked = [link.facility_id for link in body.facilities]
        known = set(await tx.values(queries.KNOWN_FACILITIES, asked))
        faults += [
            FieldError(f"facilities.{number}.facility_id", "no such facility", "unknown")
            for number, facility_id in enumerate(asked)
            if facility_id not in known
        ]
    if faults:
        raise Unprocessable(details=faults)


def _identifier_faults(body: ProviderWrite) -> list[FieldError]:
    faults = []
    if body.npi is not None and not rules.is_npi(body.npi):
        faults.append(FieldError("npi", "its check digit is wrong", "check_digit"))
    if body.npi is None and not body.identifiers:
        faults.append(FieldError("npi", "is needed, or one of identifiers", "missing"))
    seen = set()
    for number, identifier in enumerate(body.identifiers):
        name = (identifier.system, identifier.value)
        if identifier.system == _US_NPI:
            reason = "a US NPI goes into npi"
            faults.append(FieldError(f"identifiers.{number}.system", reason, "npi"))
        elif name in seen:
            faults.append(FieldError(f"identifiers.{number}", "stands there twice", "distinct"))
        seen.add(name)
    return faults


def _link_faults(body: ProviderWrite) -> list[FieldError]:
    faults, seen, primary = [], set(), False
    for number, link in enumerate(body.facilities):
        field = f"facilities.{number}"
        if link.facility_id in seen:
            faults.append(FieldError(f"{field}.facility_id", "stands there twice", "distinct"))
        if link.is_primary and primary:
            faults.append(FieldError(f"{field}.is_primary", "only one can be", "primary"))
        seen.add(link.facility_id)
        primary = primary or link.is_primary
    return faults


def works_at(provider: queries.Provider) -> set[str]:
    """Return the ids of the facilities at which `provider` works."""
    return {link["facility_id"] for link in provider.facilities}


def _document(provider_id: UUID, body: ProviderWrite) -> dict[str, Any]:
    document = body.model_dump(mode="json", exclude={"contact_info": {"telecom"}})
    links = [{"id": str(new_id()), **link} for link in document["facilities"]]
    return {"id": str(provider_id), **document, "facilities": links}


async def _write_contact_points(tx: Tx, provider_id: UUID, body: ProviderWrite) -> None:
    points = await addresses.points(tx, body.contact_info)
    await tx.run(queries.REPLACE_CONTACT_POINTS, points, tx.caller.tenant_id, provider_id, tx.now)


async def tell(tx: Tx, action: str, provider_id: UUID, *, before: Any, after: Any) -> None:
    """Audit a change and name what it makes stale."""
    await record(
        tx, action=action, entity_type="provider", entity_id=provider_id, before=before, after=after
    )
    tx.drop(key(tx.caller.tenant_id, provider_id))
    tx.bump(lists(tx.caller.tenant_id))
