"""What an operation of few parameters is asked for: by the address, or by a body of Parameters."""

from typing import Any

from fastapi import Request

from chroniccare.fhir.answers_api import check_media, pairs_of
from chroniccare.fhir.validation import parse

Pairs = list[tuple[str, str]]


async def asked(request: Request) -> Pairs:
    """Return names and values of the parameters, those of the address first.

    Raises:
        Invalid: they cannot be read.
        UnsupportedMedia: a body is of another kind.
    """
    pairs = pairs_of(request)
    body = await request.body() if request.method == "POST" else b""
    if not body:
        return pairs
    check_media(request)
    for one in parse("Parameters", body).get("parameter", []):
        values = [_text(value) for name, value in one.items() if name.startswith("value")]
        pairs.append((one["name"], values[0] if values else ""))
    return pairs


def _text(value: Any) -> str:
    """Return a value as an address would say it; of a reference, where it leads."""
    return str(value.get("reference", "")) if isinstance(value, dict) else str(value)
