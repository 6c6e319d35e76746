"""Text on paper: ranges of text, in code point order (collation C)."""

_LAST = "\U0010ffff"


def prefix_range(prefix: str) -> tuple[str, str]:
    """Return [low, high) of every text that starts with `prefix`."""
    return prefix, prefix + _LAST
