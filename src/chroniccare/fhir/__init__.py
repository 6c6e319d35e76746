"""The FHIR R4 face of the same data."""
