"""The worklist of staff: what somebody must look at (FHIR Task)."""
