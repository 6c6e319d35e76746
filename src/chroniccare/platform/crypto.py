"""Signatures of others: RSA over SHA-1 or SHA-256, with the key of a certificate."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


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


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs as SNS does, for the simulator; `certificate` is what `public_key` reads."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: bytes

    def sign(self, text: bytes, *, version: str = "2") -> bytes:
        """Return the signature of `text`; `version` is SNS's, see `signed_by`."""
        algorithm = SHA256() if version == "2" else SHA1()  # noqa: S303  as above
        return self.key.sign(text, padding.PKCS1v15(), algorithm)


def signer(name: str, *, at: datetime) -> Signer:
    """Return a signer with a new key and a certificate of its own, good for a year from `at`."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=365))
        .sign(key, SHA256())
    )
    return Signer(key, made.public_bytes(Encoding.PEM))
