"""One message that staff ask for."""
