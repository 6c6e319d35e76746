"""Messages to patients: planned with the fact, delivered once."""
