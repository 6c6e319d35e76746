"""Signatures by ed25519 (RFC 8032): a key is its seed of 32 bytes."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def public_of(seed: bytes) -> bytes:
    """Return the 32 bytes with which signatures of `seed` are verified."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, text: bytes) -> bytes:
    """Return the 64 bytes that sign `text`."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(text)
