"""An ed25519 key in a file that only its owner may read, made when it is first needed."""

import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

PrivateKey = Ed25519PrivateKey
PublicKey = Ed25519PublicKey
_PRIVATE = 0o600
_PUBLIC = 0o644


class BadKeyFile(Exception):  # noqa: N818  what it is, not what happened
    """The file is none of ours, or others may read it; the message names it."""


def private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key in `path`; a new one is written there if there is none.

    Of two processes that do so at once, one wins.

    Raises:
        BadKeyFile: other accounts may read it, or it holds something else.
        OSError: it cannot be read or written.
    """
    if not path.exists():
        fresh = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_once(path, fresh, _PRIVATE)
    if path.stat().st_mode & 0o077:
        raise BadKeyFile(f"other accounts may read {path}: `chmod 600` it")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        raise BadKeyFile(f"{path} holds no private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKeyFile(f"{path} holds a key that is not ed25519")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key in `path`.

    Raises:
        BadKeyFile: it holds something else.
        OSError: it cannot be read.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except ValueError:
        raise BadKeyFile(f"{path} holds no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise BadKeyFile(f"{path} holds a key that is not ed25519")
    return key


def export_public(key: Ed25519PrivateKey, path: Path) -> None:
    """Write the public half of `key` to `path`, unless something is there."""
    text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_once(path, text, _PUBLIC)


def is_signed(key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    """Return whether `signature` is that of `text`."""
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def write_once(path: Path, text: bytes, mode: int) -> None:
    """Write a file whole or not at all; one that is there already stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    with suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()
