"""A mail server that keeps what it is given, and goes wrong as the plan says after the letter."""

import asyncio
import email
import re
from collections.abc import Mapping
from email import policy

from chroniccare.simulator.faults import Kind
from chroniccare.simulator.server import Misbehaviour, Talk, misbehave
from chroniccare.simulator.services import Sending, Services

_ATTEMPT = re.compile(r"<([^@>]+)@")
_REPLIES: Mapping[Kind, bytes] = {
    "error": b"451 simulated",
    "unavailable": b"421 closing",
    "throttle": b"450 slow down",
    "quota": b"452 no room left",
    "denied": b"554 not from here",
    "opted_out": b"550 does not want it",
    "invalid": b"550 no such mailbox",
}
_SILENT: Mapping[Kind, Misbehaviour] = {
    "hang": "hang",
    "hang_after": "hang",
    "timeout": "hang",
    "reset_before": "reset",
    "reset_after": "reset",
    "close_after": "close",
}


def speaking_smtp(services: Services) -> Talk:
    """Return what talks SMTP on a connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 simulator ESMTP\r\n")
        while line := await reader.readline():
            verb, _, rest = line.decode("latin-1").strip().partition(" ")
            if verb.upper() == "DATA":
                writer.write(b"354 go on\r\n")
                letter = await _letter(reader)
                answer = await _deliver(services, recipients, letter)
                recipients = []
                if not isinstance(answer, bytes):
                    await misbehave(answer, reader, writer)
                    return
            else:
                if verb.upper() == "RCPT":
                    recipients.append(rest.partition("<")[2].partition(">")[0])
                elif verb.upper() in {"RSET", "MAIL"}:
                    recipients = []
                answer = _small_talk(verb.upper())
            writer.write(answer + b"\r\n")
            await writer.drain()
            if answer[:3] in {b"221", b"421"}:
                return

    return talk


def _small_talk(verb: str) -> bytes:
    if verb == "EHLO":
        return b"250-simulator\r\n250 8BITMIME"
    if verb == "QUIT":
        return b"221 bye"
    if verb in {"HELO", "MAIL", "RCPT", "RSET", "NOOP"}:
        return b"250 OK"
    return b"502 not here"


async def _letter(reader: asyncio.StreamReader) -> str:
    lines: list[bytes] = []
    while (line := await reader.readline()) not in {b".\r\n", b""}:
        lines.append(line[1:] if line.startswith(b".") else line)
    return b"".join(lines).decode("latin-1")


async def _deliver(services: Services, recipients: list[str], letter: str) -> bytes | Misbehaviour:
    message_id = str(email.message_from_string(letter, policy=policy.compat32)["Message-ID"] or "")
    attempt = _ATTEMPT.search(message_id)
    sending = Sending(
        "smtp", "DATA", attempt[1] if attempt else "", ",".join(recipients), letter, message_id
    )
    kind = (await services.decide(sending)).kind
    if kind == "garble":
        return b"what?"
    return _SILENT.get(kind) or _REPLIES.get(kind, b"250 OK")
