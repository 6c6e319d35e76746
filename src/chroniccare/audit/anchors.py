"""Signed anchors: where a chain begins since its oldest part has been kept long enough.

One line of JSON for each in `pruned.jsonl` beside the heads: number and hash of the last seal that
was removed, signed with their key under a word of its own, so that no head passes for an anchor.
"""

import base64
import os
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from chroniccare.audit import heads
from chroniccare.audit.rules import Head
from chroniccare.platform import key_file
from chroniccare.settings import Settings

FILE = "pruned.jsonl"


def append(settings: Settings, anchor: Head, *, until: datetime) -> None:
    """Write an anchor and wait until it is on the disk; `until`: rows from before are gone.

    Raises:
        BadKeyFile: the key cannot be used.
        OSError: the directory cannot be written.
    """
    key, told = heads.signer(settings), _fields(anchor) | {"until": until.isoformat()}
    signature = base64.b64encode(key.sign(orjson.dumps(told))).decode()
    path = Path(settings.audit_heads_dir) / FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(orjson.dumps({**told, "signature": signature}) + b"\n")
        file.flush()
        os.fsync(descriptor)


def read(directory: Path, public: Path | None = None) -> dict[UUID, Head]:
    """Return the highest anchor of each tenant; lines that `public` has not signed are passed over.

    Raises:
        BadKeyFile: what stands in `public` (default: beside them) is no public key.
        OSError: a file cannot be read.
    """
    path, found = directory / FILE, dict[UUID, Head]()
    if not path.exists():
        return found
    key = key_file.public_key(public or directory / heads.PUBLIC)
    for text in path.read_bytes().splitlines():
        anchor = _signed(key, text)
        if anchor is not None:
            before = found.get(anchor.tenant_id, anchor)
            found[anchor.tenant_id] = max(before, anchor, key=lambda one: one.seq)
    return found


def _signed(key: key_file.PublicKey, text: bytes) -> Head | None:
    try:
        told = orjson.loads(text)
        signature = base64.b64decode(told.pop("signature"), validate=True)
        anchor = Head(
            UUID(told["tenant"]), int(told["seq"]), bytes.fromhex(told["hash"]),
            datetime.fromisoformat(told["at"]),
        )  # fmt: skip
        is_anchor = told["kind"] == "pruned"
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return anchor if is_anchor and key_file.is_signed(key, signature, orjson.dumps(told)) else None


def _fields(anchor: Head) -> dict[str, Any]:
    return {
        "kind": "pruned", "tenant": str(anchor.tenant_id), "seq": anchor.seq,
        "hash": anchor.hash.hex(), "at": anchor.at.isoformat(),
    }  # fmt: skip
