"""How a medication is taken: FHIR Timing, common sig text, and both in plain words."""
