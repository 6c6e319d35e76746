"""Replies that wait in the inbox are sealed under the master key: whose they are is not known yet.

A row is there for seconds; one that cannot be dealt with, for days. So master keys are dropped
only when no row is sealed under them any more.
"""

import binascii
from dataclasses import replace
from typing import Any

import orjson

from chroniccare.core.wire import dumps
from chroniccare.notifications.inbound.queries import Waiting
from chroniccare.platform import masterkey

_PURPOSE, _VERSION = "inbound_inbox", 1
_NOBODY = "-"


def sealed(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the inbox with sender and text sealed, where there is a master key."""
    master = masterkey.held()
    if master is None:
        return row
    plain = dumps([row["sender"], row["body"]])
    wrapped = master.wrap(row["id"], _PURPOSE, _VERSION, plain)
    body = binascii.b2a_base64(wrapped.data, newline=False).decode()
    return {**row, "sender": _NOBODY, "body": body, "master_id": wrapped.master_id}


def opened(row: Waiting) -> Waiting:
    """Return a row of the inbox in clear.

    Raises:
        masterkey.CannotUnwrap: its master key is not held here, or it was altered.
    """
    if row.master_id is None:
        return row
    master = masterkey.held()
    if master is None:
        raise masterkey.CannotUnwrap("no file of master keys is set, and a reply is sealed")
    wrapped = masterkey.Wrapped(row.master_id, binascii.a2b_base64(row.body))
    sender, body = orjson.loads(master.unwrap(row.id, _PURPOSE, _VERSION, wrapped))
    return replace(row, sender=sender, body=body)
