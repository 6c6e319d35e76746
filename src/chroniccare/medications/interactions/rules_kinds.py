"""What a finding can be, which wire shapes and rules share."""

from typing import Literal

Severity = Literal["contraindicated", "warning", "info"]
"""`info` comes from external services alone."""
Kind = Literal["interaction", "duplicate", "allergy", "service"]
