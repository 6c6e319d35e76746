"""Programs that sign in with a key pair for FHIR: SMART Backend Services."""
