"""Signatures of others: RSA over SHA-1 or SHA-256, with the key of a certificate."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256


class BadCertificate(Exception):  # noqa: N818  what it is, not what happened
    """What should be a certificate with an RSA key is none."""


def public_key(pem: bytes) -> rsa.RSAPublicKey:
    """Return the key of the certificate in `pem`.

    Who issued it is not asked: it must come over TLS from a host that is trusted for it.

    Raises:
        BadCertificate: it is none, or its key is not RSA.
    """
    try:
        key = x509.load_pem_x509_certificate(pem).public_key()
    except ValueError as error:
        raise BadCertificate(type(error).__name__) from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadCertificate(type(key).__name__)
    return key


def signed_by(key: rsa.RSAPublicKey, signature: bytes, text: bytes, *, version: str) -> bool:
    """Return whether `signature` is that of `text`; `version` is SNS's: 1 SHA-1, 2 SHA-256."""
    algorithm = SHA256() if version == "2" else SHA1()  # noqa: S303  Amazon's choice, not ours
    try:
        key.verify(signature, text, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True
