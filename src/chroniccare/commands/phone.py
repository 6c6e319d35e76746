"""`phone`: what reached a patient's phone at the simulated provider, and an answer from there."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from chroniccare.core.fields import phone_to_e164
from chroniccare.platform.fetch import FetchError, fetch
from chroniccare.platform.http import HttpError, Poster
from chroniccare.settings import SettingsError
from chroniccare.simulator.topics import PHONES

_LOOK_S = 0.2
_OK = 200
_MOST = 10

Say = Callable[[str], None]


def phone(number: str | None, text: str | None, *, port: int, wait_s: float, say: Say) -> None:
    """Show messages, or send `text` from `number` and show what comes within `wait_s` seconds.

    Raises:
        SettingsError: no number, or nobody simulates, or the API did not take the answer.
    """
    if number is not None:
        try:
            number = phone_to_e164(number)
        except ValueError:
            raise SettingsError("NUMBER: must be like +14155550123") from None
    asyncio.run(_phone(number, text, f"http://127.0.0.1:{port}{PHONES}", wait_s, say))


async def _phone(number: str | None, text: str | None, url: str, wait_s: float, say: Say) -> None:
    known = await _messages(url)
    if number is None:
        last = {one["to"]: one["text"] for one in known}
        for to in list(last)[-_MOST:]:
            say(f"{to}  {last[to]}")
        if len(last) > _MOST:
            say(f"... and {len(last) - _MOST} phones more")
        return
    mine = [one for one in known if one["to"] == number]
    if text is None:
        for one in mine:
            say(f"clinic   {one['text']}")
        return
    await _send(url, number, text)
    say(f"patient  {text}")
    shown, clock = len(mine), asyncio.get_running_loop().time
    until = clock() + wait_s
    while clock() < until:
        mine = [one for one in await _messages(url) if one["to"] == number]
        for one in mine[shown:]:
            say(f"clinic   {one['text']}")
        if len(mine) > shown:
            return
        await asyncio.sleep(_LOOK_S)


async def _messages(url: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = orjson.loads(await fetch(url, most=5_000_000))["messages"]
    except FetchError:
        raise SettingsError(
            "nobody simulates there: run `chroniccare simulate --api-url ...` first, or see --port"
        ) from None
    return found


async def _send(url: str, number: str, text: str) -> None:
    poster = Poster(url)
    try:
        answer = await poster.post({"sender": number, "text": text})
    except HttpError as error:
        raise SettingsError(f"the simulator is {error.code}") from None
    finally:
        await poster.close()
    if answer.status != _OK:
        raise SettingsError(str(answer.body.get("error", answer.status)))
