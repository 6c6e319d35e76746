"""Signatures: the published vectors of Standard Webhooks, and what is live during a rotation."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chroniccare.webhooks import signing

# The vectors of the specification and of Svix's own tests.
MESSAGE, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SHARED_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
PRIVATE = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
PRIVATE_SIGNATURE = (
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)
EVENT = UUID("01900000-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("secret", "expected"), [(SHARED, SHARED_SIGNATURE), (PRIVATE, PRIVATE_SIGNATURE)]
)
def test_sec_30_a_signature_is_the_published_one(secret: str, expected: str) -> None:
    assert signing.signature(secret, signing.signed_text(MESSAGE, AT, BODY)) == expected


def test_sec_30_the_public_key_is_the_published_one() -> None:
    assert signing.public_key(PRIVATE) == PUBLIC
    assert signing.public_key(SHARED) is None


def _headers(*live: str) -> dict[str, str]:
    at = datetime.fromtimestamp(AT, UTC)
    return signing.headers(
        event_id=EVENT, event_type="appointment.created", at=at, body=BODY, live=live
    )


def test_while_two_secrets_live_both_sign_the_newest_first() -> None:
    new, old = signing.new_secret("hmac"), SHARED
    headers = _headers(new, old)
    text = f"{EVENT}.{AT}.".encode() + BODY
    assert headers["webhook-id"] == str(EVENT)
    assert headers["webhook-timestamp"] == str(AT)
    assert headers["webhook-signature"].split(" ") == [
        signing.signature(new, text), signing.signature(old, text),
    ]  # fmt: skip
    assert headers["X-Chronic-Care-Event"] == "appointment.created"
    # Computed apart from the code: a receiver that knows the seed's header checks it like this.
    mac = hmac.new(base64.b64decode(old[6:]), text, hashlib.sha256).hexdigest()
    assert headers["X-Chronic-Care-Signature"].split(",")[1] == mac


def test_a_receiver_with_the_public_key_verifies_and_cannot_be_fooled() -> None:
    secret = signing.new_secret("ed25519")
    headers = _headers(secret)
    assert "X-Chronic-Care-Signature" not in headers
    version, _, signature = headers["webhook-signature"].partition(",")
    key = Ed25519PublicKey.from_public_bytes(
        base64.b64decode((signing.public_key(secret) or "").removeprefix("whpk_"))
    )
    assert version == "v1a"
    key.verify(base64.b64decode(signature), f"{EVENT}.{AT}.".encode() + BODY)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature), f"{EVENT}.{AT + 1}.".encode() + BODY)


def test_secrets_are_long_and_never_the_same() -> None:
    made = {signing.new_secret("hmac") for _ in range(50)}
    assert len(made) == 50
    assert {len(base64.b64decode(one.removeprefix("whsec_"))) for one in made} == {32}
