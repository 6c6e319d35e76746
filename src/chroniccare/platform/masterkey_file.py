"""The file of the master keys: mode 0600, a line each, a name and 32 bytes in base64.

The last line wraps; the ones above it unwrap until every key is wrapped anew. With `master_key_kms`
the bytes are encrypted under that key of KMS, which is asked once a process, at its start.
"""

import base64
import binascii
import os
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chroniccare.platform import keystore
from chroniccare.platform.masterkey import KEY_BYTES, MasterKeys
from chroniccare.settings import Settings, SettingsError, variable

_PRIVATE = 0o600


async def read(settings: Settings) -> MasterKeys | None:
    """Return the master keys, None where no file is named.

    Raises:
        SettingsError: the file is not there, open to others, or not one of master keys; or KMS did
            not decrypt it; or the store of tenants' keys cannot be used.
    """
    if not settings.master_key_file:
        if settings.tenant_key_dirs:
            raise SettingsError(f"{variable('tenant_key_dirs')}: needs master keys besides")
        return None
    lines = _lines(Path(settings.master_key_file))
    if not lines:
        raise SettingsError(f"{variable('master_key_file')}: holds no master key")
    raw = lines
    if settings.master_key_kms:
        from chroniccare.platform import masterkey_kms

        raw = await masterkey_kms.decrypted(settings, lines)
    if any(len(key) != KEY_BYTES for key in raw.values()):
        raise SettingsError(f"{variable('master_key_file')}: a master key has {KEY_BYTES} bytes")
    ciphers = {name: AESGCM(key) for name, key in raw.items()}
    store = keystore.opened(settings)
    return MasterKeys(next(reversed(lines)), MappingProxyType(ciphers), store)


def _lines(path: Path) -> dict[str, bytes]:
    """Return names and bytes, in the order of the file."""
    name = variable("master_key_file")
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"{name}: other accounts may read {path}: `chmod 600` it")
        pairs = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line]
        return {key_id: base64.b64decode(data, validate=True) for key_id, data in pairs}
    except OSError as error:
        raise SettingsError(f"{name}: cannot read {path}: {error.strerror}") from None
    except (ValueError, binascii.Error):
        raise SettingsError(f"{name}: a line of {path} is not a name and base64") from None


async def add(settings: Settings, key_id: str) -> None:
    """Append a new master key under the name `key_id`; from the next start on it wraps.

    Raises:
        SettingsError: the file cannot be used, or KMS made no key.
    """
    made = os.urandom(KEY_BYTES)
    if settings.master_key_kms:
        from chroniccare.platform import masterkey_kms

        made = await masterkey_kms.made(settings)
    _append(Path(settings.master_key_file), key_id, made)


def _append(path: Path, key_id: str, key: bytes) -> None:
    lines = _lines(path) if path.exists() else {}
    try:
        write(path, lines | {key_id: key})
    except OSError as error:
        name = variable("master_key_file")
        raise SettingsError(f"{name}: cannot write {path}: {error.strerror}") from None


def make(path: Path) -> None:
    """Make the file with a first key in clear; of two processes that do so at once, one wins."""
    fresh = path.with_name(f"{path.name}.new.{os.getpid()}")
    write(fresh, {"m1": os.urandom(KEY_BYTES)})
    with suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()


def last(settings: Settings) -> str:
    """Return the name of the master key that wraps.

    Raises:
        SettingsError: the file cannot be used.
    """
    return next(reversed(_lines(Path(settings.master_key_file))))


def keep_last(settings: Settings) -> list[str]:
    """Remove every master key but the last from the file; return the names of those removed.

    Raises:
        SettingsError: the file cannot be used.
    """
    path, kept = Path(settings.master_key_file), last(settings)
    lines = _lines(path)
    write(path, {kept: lines[kept]})
    return [name for name in lines if name != kept]


def write(path: Path, lines: dict[str, bytes]) -> None:
    """Replace the file in one step."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(f"{name} {base64.b64encode(key).decode()}\n" for name, key in lines.items())
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
