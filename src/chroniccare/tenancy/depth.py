"""How deeply JSON may be nested, looked at before it is parsed."""

import re

from chroniccare.core.errors import Invalid

_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(one for one in range(256) if one not in b"[]{}")
_DEEPEST = 32


def check_depth(body: bytes) -> None:
    """Refuse JSON that is nested more deeply than anything we take, before it is parsed.

    Raises:
        Invalid: more than 32 arrays and objects stand in one another.
    """
    if body.count(b"[") + body.count(b"{") <= _DEEPEST:
        return
    brackets = left = _TEXTS.sub(b"", body).translate(None, _ALL_BUT_BRACKETS)
    for _ in range(_DEEPEST):  # each time at least the innermost pairs go
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    depth = 0
    for one in brackets if left else b"":  # something is deeper, or has no partner
        depth += 1 if one in b"[{" else -1
        if depth > _DEEPEST:
            raise Invalid.field("body", f"is nested more than {_DEEPEST} deep", "depth")
