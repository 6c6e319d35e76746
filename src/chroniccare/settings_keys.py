"""What an operator may change about the encryption of fields: a part of `settings.Settings`."""

from typing import Annotated

from pydantic import BaseModel, Field


class KeySettings(BaseModel):
    """Where master keys are."""

    master_key_file: Annotated[
        str,
        Field(
            description="File of the master keys, mode 0600, see docs/operations.md; production "
            "needs it. Empty: `up` makes one in the data directory."
        ),
    ] = ""
    tenant_key_dirs: Annotated[
        str,
        Field(
            description="Directory, mode 0700, with a key for each tenant, shared by every process "
            "and in no backup of the database; or several that hold the same, between commas. "
            "Empty: the data directory's `tenant-keys` if `up` runs PostgreSQL and it is there."
        ),
    ] = ""
    master_key_kms: Annotated[
        str,
        Field(
            pattern=r"^$|^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$",
            description="ARN of the KMS key under which the master keys in the file are encrypted. "
            "Empty: they stand there in clear.",
        ),
    ] = ""
