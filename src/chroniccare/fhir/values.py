r"""Values of searches as they are written: `\,` `\|` `\$` and `\\` are the letters themselves."""

_BAR = "\0"
"""Stands for a bar that separates nothing; a client's own is refused before."""


def split(value: str) -> list[str]:
    r"""Return the alternatives in `value`; a bar behind `\` is kept apart, see `coded`."""
    found, current, escaped = [], "", False
    for letter in value:
        if escaped:
            current, escaped = current + (_BAR if letter == "|" else letter), False
        elif letter == "\\":
            escaped = True
        elif letter == ",":
            found.append(current)
            current = ""
        else:
            current += letter
    return [one for one in [*found, current] if one]


def whole(value: str) -> str:
    """Return a value that has no parts."""
    return value.replace(_BAR, "|")


def typed(value: str) -> tuple[str, str] | None:
    """Return type (`system|code`) and number of `system|code|number`; None: it is none."""
    parts = value.split("|")
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004  as it says
        return None
    system, code, number = map(whole, parts)
    return f"{system}|{code}", number


def coded(value: str) -> tuple[str, str, str]:
    """Return system, bar and code of `system|code`; without a bar all of it is the code."""
    system, bar, code = value.rpartition("|")
    return whole(system), bar, whole(code)
