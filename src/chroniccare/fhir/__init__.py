"""FHIR R4 under /fhir: the same records, rules and audit as /api/v1, in the standard's words."""
