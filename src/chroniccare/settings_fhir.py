"""What an operator may change about FHIR: a part of `settings.Settings`."""

import re
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

BUCKET = re.compile(
    r"s3://(?P<name>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9._/-]+?))?/?"
)
"""A bucket of S3, and what the keys in it begin with."""


class FhirSettings(BaseModel):
    """How strict `/fhir` is, and where exports go."""

    fhir_us_core: Annotated[
        bool,
        Field(
            description="Resources written under /fhir must also meet US Core 7: see "
            "docs/fhir-validation.md."
        ),
    ] = False
    fhir_export_dir: Annotated[
        str,
        Field(
            description="Where the sealed files of `$export` go: a directory that API and worker "
            "share, or `s3://bucket/prefix` (see docs/exports.md), which needs "
            "`CHRONICCARE_AWS_REGION`. Empty: there is none; `up` sets its data directory's "
            "`exports`.",
        ),
    ] = ""
    fhir_export_hours: Annotated[
        int, Field(ge=1, le=168, description="Hours for which the files of an export are kept.")
    ] = 24

    @model_validator(mode="after")
    def _bucket(self) -> Self:
        if self.fhir_export_dir.startswith("s3:"):
            if not BUCKET.fullmatch(self.fhir_export_dir):
                raise ValueError("fhir_export_dir must be a directory, or like s3://bucket/prefix")
            if not getattr(self, "aws_region", ""):  # of another part
                raise ValueError("a bucket for exports needs aws_region")
        return self
