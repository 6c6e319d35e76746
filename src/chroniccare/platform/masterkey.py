"""Master keys: what the keys of tenants are wrapped with (ADR 0029); `masterkey_file` has them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chroniccare.platform.keystore import Keystore, NotInStore

KEY_BYTES = 32
_NONCE_BYTES = 12


class CannotUnwrap(Exception):  # noqa: N818  what is so, not what happened
    """A tenant's key is wrapped under a master key that is not held, or was altered."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A tenant's key as it is stored.

    Attributes:
        master_id: name of the master key around it.
        data: the bytes.
        in_store: whether the tenant's key of the store is around them, too.
    """

    master_id: str
    data: bytes
    in_store: bool = False


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The master keys that a process holds; `active` names the one that wraps."""

    active: str
    ciphers: Mapping[str, AESGCM] = field(repr=False)
    store: Keystore | None = None

    def wrap_tenants(
        self, tenant_id: UUID, purpose: str, version: int, key: bytes, *, in_store: bool,
        first: bool,
    ) -> Wrapped:  # fmt: skip
        """Return a key of a tenant's fields, wrapped; `in_store`: with the store's key, too.

        `first`: no other of the tenant's is in the store, see `Keystore.wrap`.

        Raises:
            CannotUnwrap: there is no store or no key in it, or its directories differ.
            OSError: the store cannot be written.
        """
        wrapped = self.wrap(tenant_id, purpose, version, key)
        if not in_store:
            return wrapped
        try:
            data = self._needed_store().wrap(tenant_id, wrapped.data, first=first)
        except NotInStore as error:
            raise CannotUnwrap(str(error)) from None
        return Wrapped(wrapped.master_id, data, in_store=True)

    def unwrap_tenants(
        self, tenant_id: UUID, purpose: str, version: int, wrapped: Wrapped
    ) -> bytes:
        """Return a key of a tenant's fields.

        Raises:
            CannotUnwrap: as `unwrap`; or the store has not what is needed besides.
        """
        if wrapped.in_store:
            try:
                data = self._needed_store().unwrap(tenant_id, wrapped.data)
            except NotInStore as error:
                raise CannotUnwrap(str(error)) from None
            wrapped = Wrapped(wrapped.master_id, data)
        return self.unwrap(tenant_id, purpose, version, wrapped)

    def _needed_store(self) -> Keystore:
        if self.store is None:
            raise CannotUnwrap("no store of tenants' keys is set here, and a tenant's is in one")
        return self.store

    def wrap(self, tenant_id: UUID, purpose: str, version: int, key: bytes) -> Wrapped:
        """Return a tenant's key, wrapped and bound to what it is for."""
        nonce = os.urandom(_NONCE_BYTES)
        bound = _bound(tenant_id, purpose, version)
        return Wrapped(self.active, nonce + self.ciphers[self.active].encrypt(nonce, key, bound))

    def unwrap(self, tenant_id: UUID, purpose: str, version: int, wrapped: Wrapped) -> bytes:
        """Return a tenant's key.

        Raises:
            CannotUnwrap: its master key is not held, or it is not this tenant's key.
        """
        cipher = self.ciphers.get(wrapped.master_id)
        if cipher is None:
            raise CannotUnwrap(
                f"no master key {wrapped.master_id} here: use the file of master keys of the others"
            )
        nonce, sealed = wrapped.data[:_NONCE_BYTES], wrapped.data[_NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, sealed, _bound(tenant_id, purpose, version))
        except (InvalidTag, ValueError):
            raise CannotUnwrap(
                f"master key {wrapped.master_id} here is not the one that wrapped key {purpose}"
                f" {version} of tenant {tenant_id}: use the file of master keys of the others"
            ) from None


def _bound(tenant_id: UUID, purpose: str, version: int) -> bytes:
    return f"{tenant_id}|{purpose}|{version}".encode()


_held: MasterKeys | None = None


def hold(keys: MasterKeys | None) -> None:
    """Keep `keys` for the process; the wiring calls it at the start and at the end."""
    global _held  # noqa: PLW0603  one set a process, held by the wiring alone
    _held = keys


def held() -> MasterKeys | None:
    """Return the process's master keys, None where fields are not encrypted."""
    return _held
