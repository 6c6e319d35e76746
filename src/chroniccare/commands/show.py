"""What commands found, as text: tables for people, JSON for programs. cli.py prints it."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from chroniccare.commands.doctor import Finding
from chroniccare.commands.queries import Message
from chroniccare.core.wire import dumps
from chroniccare.notifications.batch import BatchResult
from chroniccare.notifications.replay.actions import Verdict
from chroniccare.notifications.replay.queries import Failed, Group
from chroniccare.tenancy.queries import ApiKey, Tenant
from chroniccare.tenancy.queries_keys import TenantKey
from chroniccare.tenancy.rules import SCOPES

_WIDE = 200  # into a file or a pipe little is cut short
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def tenants(found: list[Tenant]) -> str:
    """Return a table of tenants."""
    return _table(
        ("Subdomain", "Name", "Active", "Created (UTC)", "Id"),
        [(t.subdomain, t.name, t.is_active, t.created_at, t.id) for t in found],
    )


def keys(found: list[ApiKey]) -> str:
    """Return a table of API keys."""
    return _table(
        ("Key id", "Name", "For", "Valid", "Expires (UTC)", "Last used (UTC)", "Scopes"),
        [
            (k.key_id, k.key_name, k.environment, k.is_active, k.expires_at, k.last_used_at,
             "all" if SCOPES.issubset(k.scopes) else " ".join(k.scopes))
            for k in found
        ],
    )  # fmt: skip


def tenant_keys(found: list[TenantKey]) -> str:
    """Return a table of the keys that fields of a tenant are encrypted with."""
    return _table(
        (
            "For", "Version", "State", "Master key", "Created (UTC)", "In the store (UTC)",
            "Destroyed (UTC)",
        ),
        [
            (k.purpose, k.version, k.state, k.master_id, k.created_at, k.stored_at, k.destroyed_at)
            for k in found
        ],
    )  # fmt: skip


def messages(found: list[Message]) -> str:
    """Return a table of messages."""
    return _table(
        ("Sent (UTC)", "Channel", "Type", "To", "Message"),
        [
            (m.created_at, m.channel, m.notification_type, m.recipient, _one_line(m.body))
            for m in found
        ],
    )


def message(found: Message) -> str:
    """Return one line for a message."""
    words = (_text(found.created_at), f"{found.channel:5}", found.notification_type)
    return "  ".join([*words, found.recipient, _one_line(found.body)])


def batch(result: BatchResult) -> str:
    """Return what became of a file, and what is wrong with which line."""
    rate = "-" if result.success_rate is None else f"{result.success_rate:.2f} %"
    counts = _table(
        ("Batch", "Processed", "Success", "Fallback", "Failed", "Invalid", "Already sent", "Rate"),
        [
            (result.batch_id, result.processed, result.success, result.fallback, result.failed,
             result.invalid, result.already_sent, rate)
        ],
    )  # fmt: skip
    if not result.problems:
        return counts
    problems = [(found.line, found.reason) for found in result.problems]
    return f"{counts}\n\n{_table(('Line', 'Problem'), problems)}"


def failed(groups: list[Group], found: list[Failed]) -> str:
    """Return what reached nobody: by cause, and message by message."""
    if not groups:
        return "no message failed"
    by_cause = _table(
        ("Cause", "Channel", "Messages", "First (UTC)", "Last (UTC)"),
        [(g.cause, g.channel, g.count, g.first_at, g.last_at) for g in groups],
    )
    each = _table(
        ("Failed (UTC)", "Cause", "Channel", "Type", "Attempts", "Replays", "Id"),
        [
            (f.failed_at, f.cause, f.channel, f.notification_type, f.attempts, f.replays, f.id)
            for f in found
        ],
    )
    return f"{by_cause}\n\n{each}"


def timeline(found: dict[str, Any]) -> str:
    """Return the story of one message."""
    return _table(("At (UTC)", "Step", "Why"), [(e.at, e.code, e.text) for e in found["events"]])


def replayed(found: list[Verdict]) -> str:
    """Return what became of each message."""
    requeued = sum(one.outcome == "requeued" for one in found)
    line = f"{requeued} requeued, {len(found) - requeued} refused"
    if not found:
        return line
    rows = [(one.id, one.outcome, one.reason, one.next_attempt_at) for one in found]
    return f"{line}\n\n{_table(('Id', 'Outcome', 'Reason', 'Goes out (UTC)'), rows)}"


def interaction_sets(found: list[dict[str, Any]]) -> str:
    """Return a table of the sets of interactions."""
    return _table(
        ("Set", "Version", "Pairs", "Imported (UTC)", "SHA-256"),
        [
            (one["name"], one["version"], one["pairs"], one["imported_at"], one["sha256"][:12])
            for one in found
        ],
    )


def finding(found: Finding) -> str:
    """Return one line of `doctor`."""
    line = Text(f"{found.verdict:4}", style=_COLOURS[found.verdict])
    line.append(f"  {found.subject}: {found.text}", style="default")
    return _rendered(line, soft_wrap=True)


def as_json(value: Any) -> str:
    """Return one JSON document."""
    return dumps(value).decode()


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; what clients wrote is shown as it stands, never as markup."""
    shown = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        shown.add_row(*(Text(_text(value)) for value in row))
    return _rendered(shown)


def _rendered(shown: RenderableType, *, soft_wrap: bool = False) -> str:
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    with console.capture() as capture:
        console.print(shown, soft_wrap=soft_wrap)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
