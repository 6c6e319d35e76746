"""A key for each tenant outside of the database, so that its backups can be shredded alone.

What opens a tenant's sealed fields is wrapped with the master key, and that with the tenant's key
in the store: who has a backup and the master key still needs the store's file. A store is one
directory that every process shares, or several that hold the same (ADR 0045).
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chroniccare.settings import Settings, SettingsError, variable

KEY_BYTES = 32
_NONCE_BYTES = 12
_PRIVATE = 0o600
_OTHERS = 0o077


class NotInStore(Exception):  # noqa: N818  what is so, not what happened
    """The store has no usable key of this tenant; the message names the tenant, and no secret."""


@dataclass(frozen=True, slots=True)
class Keystore:
    """The directories, each with every file: `<id of the tenant>.key`, 32 bytes, mode 0600."""

    directories: tuple[Path, ...]

    def wrap(self, tenant_id: UUID, data: bytes, *, first: bool = False) -> bytes:
        """Return `data` wrapped with the tenant's key.

        Args:
            tenant_id: whose key.
            data: what is wrapped.
            first: nothing of the tenant needs the store yet, so its key is made if there is none.

        Raises:
            NotInStore: there is no key and it is not the first time, or the directories differ.
            OSError: one cannot be written; nothing is wrapped that only some of them open.
        """
        key = self._found(tenant_id)
        if key is None and not first:
            raise _missing(tenant_id)
        nonce = os.urandom(_NONCE_BYTES)
        everywhere = self._ensured(tenant_id, key or os.urandom(KEY_BYTES))
        return nonce + AESGCM(everywhere).encrypt(nonce, data, tenant_id.bytes)

    def unwrap(self, tenant_id: UUID, wrapped: bytes) -> bytes:
        """Return what was wrapped.

        Raises:
            NotInStore: there is no key, or it is another.
        """
        key = self._found(tenant_id)
        if key is None:
            raise _missing(tenant_id)
        try:
            nonce, data = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
            return AESGCM(key).decrypt(nonce, data, tenant_id.bytes)
        except (InvalidTag, ValueError):
            raise NotInStore(f"the store's key of tenant {tenant_id} is another one") from None

    def destroy(self, tenant_id: UUID) -> None:
        """Remove the tenant's key from every directory; where it is gone already, nothing happens.

        Raises:
            OSError: a directory cannot be written; repeat it.
        """
        for directory in self.directories:
            path = self._path(directory, tenant_id)
            # A process that was killed while it made the key may have left it under this name.
            for one in (path, *directory.glob(f".{path.name}.*")):
                one.unlink(missing_ok=True)
            _settle(directory)

    def _path(self, directory: Path, tenant_id: UUID) -> Path:
        return directory / f"{tenant_id}.key"

    def _found(self, tenant_id: UUID) -> bytes | None:
        for directory in self.directories:
            path = self._path(directory, tenant_id)
            with suppress(FileNotFoundError):
                if path.stat().st_mode & _OTHERS:
                    raise NotInStore(f"other accounts may read {path}: `chmod 600` it")
                return path.read_bytes()
        return None

    def _ensured(self, tenant_id: UUID, key: bytes) -> bytes:
        for directory in self.directories:
            path = self._path(directory, tenant_id)
            if not path.exists():
                _write_once(path, key)
            # The first directory decides between two processes that make it at once.
            kept = path.read_bytes()
            if directory == self.directories[0]:
                key = kept
            elif kept != key:
                raise NotInStore(
                    f"{path} is not the key in {self.directories[0]}: copy it from there"
                )
        return key


def opened(settings: Settings) -> Keystore | None:
    """Return the store, None where no directory is named.

    Raises:
        SettingsError: a directory is not there, or open to others.
    """
    name = variable("tenant_key_dirs")
    directories = tuple(Path(one.strip()) for one in settings.tenant_key_dirs.split(",") if one)
    for directory in directories:
        if not directory.is_dir():
            raise SettingsError(f"{name}: {directory} is no directory")
        if directory.stat().st_mode & _OTHERS:
            raise SettingsError(f"{name}: others may look into {directory}: `chmod 700` it")
    return Keystore(directories) if directories else None


def _missing(tenant_id: UUID) -> NotInStore:
    return NotInStore(
        f"no key of tenant {tenant_id} in the store: it was erased, or this process has another"
        " store"
    )


def _write_once(path: Path, key: bytes) -> None:
    """Write a file whole and for good, or leave the one that another process wrote meanwhile."""
    # Not our process's number: hosts share the directory, and in a container it is always 1.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        fresh.unlink()
    _settle(path.parent)


def _settle(directory: Path) -> None:
    """Have the names in a directory on the disk: a row must not outlive the key it needs."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
