"""What an operator may change about FHIR: a part of `settings.Settings`."""

from typing import Annotated

from pydantic import BaseModel, Field


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
            description="Directory, shared by API and worker, for the sealed files of `$export`. "
            "Empty: there is none; `up` sets its data directory's `exports`."
        ),
    ] = ""
    fhir_export_hours: Annotated[
        int, Field(ge=1, le=168, description="Hours for which the files of an export are kept.")
    ] = 24
