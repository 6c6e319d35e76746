"""Home readings of a patient, out of the Observations that FHIR clients store."""
