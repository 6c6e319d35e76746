"""What each record looks like as a FHIR resource: pure, one file a subject."""
