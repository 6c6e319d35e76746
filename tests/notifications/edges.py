"""Which state may follow which: written by hand from the state machine, not taken from the code."""

_LEAVES: dict[str, tuple[str, ...]] = {
    # It waits: it can be claimed, given up, or be settled by a receipt of an earlier attempt.
    "pending": (
        "queued", "held", "suppressed", "expired", "cancelled", "superseded", "accepted",
        "delivered", "unconfirmed", "failed",
    ),
    "held": (
        "queued", "pending", "suppressed", "expired", "cancelled", "superseded", "accepted",
        "delivered", "unconfirmed", "failed",
    ),
    "queued": (
        "sending", "held", "pending", "suppressed", "expired", "cancelled", "superseded", "failed",
        "accepted", "delivered", "unconfirmed",
    ),
    # Somebody is on the wire for it, or was.
    "sending": ("pending", "accepted", "delivered", "unconfirmed", "unknown", "failed"),
    "unknown": ("pending", "needs_staff", "accepted", "delivered", "unconfirmed", "failed"),
    "needs_staff": (
        "pending", "accepted", "delivered", "unconfirmed", "failed", "cancelled",
    ),
    # A provider has it: what is proved is never taken back.
    "accepted": ("delivered", "unconfirmed", "pending", "failed"),
    "unconfirmed": ("delivered",),
    "delivered": (),
    # Nobody was reached; only a person, or a file that is read again, has it tried once more.
    "failed": ("pending", "queued", "suppressed", "delivered"),
    "suppressed": ("pending", "queued", "failed"),
    "expired": ("pending",),
    "undelivered": ("pending",),
    # Not wanted; a visit whose cancelling was undone wants its messages again.
    "cancelled": ("pending",),
    "superseded": (),
}  # fmt: skip
LEGAL = frozenset((state, following) for state, some in _LEAVES.items() for following in some)
STATES = frozenset(_LEAVES)
