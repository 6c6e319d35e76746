"""The form of codes, which wire shapes and rules share."""

ICD10_PATTERN = r"^[A-Z][0-9A][0-9AB](\.[0-9A-Z]{1,4})?$"
"""Form of ICD-10-CM; a code of a later release than the one that is shipped has it, too."""
RXCUI_PATTERN = r"^[1-9][0-9]{0,7}$"
"""Form of a concept's id in RxNorm."""
