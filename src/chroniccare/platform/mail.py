"""SMTP: one connection, kept open and used in turn; each letter is tried once.

What an error means is decided here, because only here is it known how far the letter got: before
the DATA command nothing was handed over, after it the server may have the letter.
"""

import asyncio
import ipaddress
import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP

_GOODBYE_S = 2.0
CALL_S = 8.0
BUDGET_S = 2 * CALL_S + 2 * _GOODBYE_S
"""No letter takes longer than this: eight seconds to the envelope, eight for the letter."""
_IDLE_S = 30.0
_REFUSED = 400
_PERMANENT = 500
_CLOSING = 421


class _Whole(UniqueUnstructuredHeader):
    """A header that is not folded: the library would put a long address into an encoded word."""

    def fold(self, *, policy: "policy.Policy[EmailMessage]") -> str:
        """Return the header as one line."""
        return f"List-Unsubscribe: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _Whole)  # type: ignore[arg-type]  # it is mixed in
_POLICY = policy.SMTP.clone(cte_type="7bit", header_factory=_HEADERS)

log = logging.getLogger(__name__)

Kind = Literal["permanent", "temporary", "doubt"]


class MailError(Exception):
    """A letter was not accepted.

    Attributes:
        kind: `permanent`: never will be; `temporary`: may be later; `doubt`: perhaps it was.
        code: `smtp_550` for a server's answer, else a word of ours; never the server's text.
    """

    def __init__(self, kind: Kind, code: str) -> None:
        self.kind, self.code = kind, code
        super().__init__(f"{kind}: {code}")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one address; `id` becomes part of the Message-ID, `at` (UTC) its date.

    `calendar` is iCalendar in UTF-8, or nothing; `calendar_method` is its METHOD. `unsubscribe` is
    an https address at which the recipient ends such letters (RFC 8058), or nothing.
    """

    id: str
    to: str
    subject: str
    text: str
    html: str
    at: datetime
    calendar: bytes = b""
    calendar_method: str = ""
    unsubscribe: str = ""


@dataclass(slots=True)
class Mailer:
    """The connection to one relay; see `settings.smtp_url`.

    `smtp://` demands STARTTLS. Not on loopback, nor with `?tls=none`, for a relay in a closed
    network: there it is not used even if offered, because no certificate of such a relay is one
    that can be checked. `smtps://` speaks TLS from the start.
    """

    url: str
    sender: str
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    client: SMTP | None = None
    used: float = 0.0  # monotonic seconds

    async def send(self, letter: Letter) -> str:
        """Hand one letter over and return its Message-ID.

        Raises:
            MailError: it was refused, the server cannot be reached, or the outcome is not known.
        """
        message = compose(letter, self.sender)
        async with self.turn:
            try:
                client = await self._envelope(_bare(self.sender), _ascii(letter.to))
                await self._data(client, message.as_bytes(policy=_POLICY))
            except MailError:
                raise
            except BaseException:  # cancelled: half a command may be on the wire
                self._drop()
                raise
            self.used = time.monotonic()
        return str(message["Message-ID"])

    async def close(self) -> None:
        """Say goodbye to the server, if it still listens."""
        client, self.client = self.client, None
        if client is None or not client.is_connected:
            return
        try:
            await client.quit(timeout=_GOODBYE_S)
        except (aiosmtplib.SMTPException, OSError):
            client.close()

    def _drop(self) -> None:
        if self.client is not None:
            self.client.close()
            self.client = None

    async def _envelope(self, sender: str, recipient: str) -> SMTP:
        """Return the connection after RCPT TO: until here nothing was handed over."""
        try:
            async with asyncio.timeout(CALL_S):
                client = await self._begin(sender)
                await client.rcpt(recipient)
                return client
        except aiosmtplib.SMTPRecipientRefused as error:
            await self._rewind(error.code)
            raise MailError(_kind(error.code), f"smtp_{error.code}") from None
        except aiosmtplib.SMTPResponseException as error:
            # Of banner, greeting, login or sender: the operator can mend it, or time; the
            # recipient is not to blame.
            self._drop()
            login = "auth_" if isinstance(error, aiosmtplib.SMTPAuthenticationError) else ""
            log.warning("mail server refuses us", extra={"code": error.code})
            raise MailError("temporary", f"smtp_{login}{error.code}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self._drop()
            raise MailError("temporary", _word(error)) from None

    async def _data(self, client: SMTP, letter: bytes) -> None:
        """Send DATA: an answer is an answer, silence from here on means doubt."""
        try:
            async with asyncio.timeout(CALL_S):
                await client.data(letter, timeout=CALL_S)
        except aiosmtplib.SMTPResponseException as error:
            if error.code < _REFUSED:  # unreadable, or no refusal: it may well have the letter
                self._drop()
                raise MailError("doubt", "unreadable") from None
            await self._rewind(error.code)
            raise MailError(_kind(error.code), f"smtp_{error.code}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            self._drop()
            raise MailError("doubt", _word(error)) from None

    async def _begin(self, sender: str) -> SMTP:
        """Return a connection after MAIL FROM; an idle one that was closed is opened again."""
        if self.client is not None and time.monotonic() - self.used < _IDLE_S:
            try:
                await self.client.mail(sender)
            except (aiosmtplib.SMTPServerDisconnected, ConnectionError):
                self._drop()
            else:
                return self.client
        await self.close()
        self.client = smtp_client(self.url)
        await self.client.connect(timeout=CALL_S)  # a banner may be held back for seconds
        await self.client.mail(sender)
        return self.client

    async def _rewind(self, code: int) -> None:
        """Make the connection usable for the next letter after a refusal, or give it up."""
        try:
            if code != _CLOSING and self.client is not None:
                await self.client.rset(timeout=_GOODBYE_S)
                self.used = time.monotonic()
                return
        except (aiosmtplib.SMTPException, OSError):
            pass
        self._drop()


def compose(letter: Letter, sender: str) -> EmailMessage:
    """Return the letter as text and HTML, without a header that a value could break out of.

    Raises:
        MailError: a value holds a line break, or the address cannot be written in ASCII (a local
            part outside it needs SMTPUTF8, which too few servers on the way speak); `temporary`
            if it is the sender that cannot be used.
    """
    if not _ascii(letter.to).isascii():
        raise MailError("permanent", "address_not_ascii")
    message = EmailMessage(policy=_POLICY)
    name, address = parseaddr(sender)[0], _bare(sender)
    domain = address.rpartition("@")[2]
    try:
        message["From"] = Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError, MessageError):
        raise MailError("temporary", "sender_unusable") from None
    try:
        message["To"] = Address(addr_spec=_ascii(letter.to))
        message["Subject"] = letter.subject
        message["Message-ID"] = f"<{letter.id}@{domain}>"
    except (ValueError, IndexError, MessageError):
        raise MailError("permanent", "unsafe_header") from None
    message["Date"] = format_datetime(letter.at)
    if letter.unsubscribe:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message.set_content(letter.text)
    if letter.html:
        message.add_alternative(letter.html, subtype="html")
    if letter.calendar:
        _attach_calendar(message, letter)
    return message


def encoded(letter: Letter, sender: str) -> tuple[bytes, str, str]:
    """Return the letter as it goes over the wire, and both addresses in ASCII: from, to.

    Raises:
        MailError: as `compose`.
    """
    data = compose(letter, sender).as_bytes(policy=_POLICY)
    return data, _bare(sender), _ascii(letter.to)


def _attach_calendar(message: EmailMessage, letter: Letter) -> None:
    """Attach the calendar as a file of the letter.

    Not as an alternative to its text: Outlook would show the entry in place of the text.
    """
    message.add_attachment(
        letter.calendar,
        maintype="text",
        subtype="calendar",
        filename="appointment.ics",
        params={"method": letter.calendar_method, "charset": "utf-8", "name": "appointment.ics"},
    )


def smtp_client(url: str) -> SMTP:
    """Return the client, not connected yet, that speaks to the relay at `url` as delivery does.

    Raises:
        ValueError: the address cannot be used.
    """
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    implicit = parts.scheme == "smtps"
    waived = parse_qs(parts.query).get("tls") == ["none"]
    return SMTP(
        hostname=host,
        port=parts.port or (465 if implicit else 587),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=implicit,
        start_tls=not (implicit or waived or _is_loopback(host)),
        timeout=CALL_S,
        local_hostname="chroniccare",  # our host's own name is nobody's business
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bare(address: str) -> str:
    return _ascii(parseaddr(address)[1])


def _ascii(address: str) -> str:
    """Return the address with its domain in ASCII (IDNA), where that is possible."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


def _kind(code: int) -> Kind:
    return "permanent" if code >= _PERMANENT else "temporary"


def _word(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ValueError):
        return "unusable_settings"
    if isinstance(error, aiosmtplib.SMTPConnectError | ConnectionRefusedError):
        return "unreachable"
    return "disconnected"
