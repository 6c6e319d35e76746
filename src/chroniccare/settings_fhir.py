"""What an operator may change about FHIR: a part of `settings.Settings`."""

from typing import Annotated

from pydantic import BaseModel, Field


class FhirSettings(BaseModel):
    """How strict `/fhir` is."""

    fhir_us_core: Annotated[
        bool,
        Field(
            description="Resources written under /fhir must also meet US Core 7: see "
            "docs/fhir-validation.md."
        ),
    ] = False
