"""Master keys as KMS keeps them: encrypted under a key that never leaves it."""

from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError
from chroniccare.settings import Settings, SettingsError, variable

_CONTEXT = {"purpose": "chroniccare-master-key"}


async def decrypted(settings: Settings, lines: dict[str, bytes]) -> dict[str, bytes]:
    """Return master keys in clear.

    Raises:
        SettingsError: KMS did not decrypt them.
    """
    client = _kms(settings)
    found = {}
    try:
        for key_id, blob in lines.items():
            answer = await client.call(
                "decrypt", CiphertextBlob=blob, KeyId=settings.master_key_kms,
                EncryptionContext=_CONTEXT,
            )  # fmt: skip
            found[key_id] = bytes(answer["Plaintext"])
    except AwsError as error:
        name = variable("master_key_kms")
        raise SettingsError(f"{name}: KMS did not decrypt the master keys: {error}") from None
    finally:
        await client.close()
    return found


def _kms(settings: Settings) -> Client:
    # arn:aws:kms:REGION:...; settings.py has looked at its form.
    region = settings.master_key_kms.split(":")[3]
    return Client("kms", region, settings.aws_endpoint_url)


async def made(settings: Settings) -> bytes:
    """Return a new master key, encrypted.

    Raises:
        SettingsError: KMS made none.
    """
    client = _kms(settings)
    try:
        answer = await client.call(
            "generate_data_key_without_plaintext", KeyId=settings.master_key_kms,
            KeySpec="AES_256", EncryptionContext=_CONTEXT,
        )  # fmt: skip
    except AwsError as error:
        name = variable("master_key_kms")
        raise SettingsError(f"{name}: KMS made no key: {error}") from None
    finally:
        await client.close()
    return bytes(answer["CiphertextBlob"])
