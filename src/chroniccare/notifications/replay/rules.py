"""Which messages may be sent after all. Pure."""

REPLAYABLE = frozenset({"failed", "undelivered", "suppressed", "expired"})
MAX_REPLAY = 1000
"""Most messages put back by one request."""
PERHAPS_SENT = frozenset({"accepted", "delivered", "in_flight", "unknown"})
"""States of a last attempt that may have reached the patient, or reaches them right now."""
