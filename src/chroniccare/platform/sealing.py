"""Single fields encrypted with the keys of their tenant: AES-256-GCM, bound to their place.

    byte 0        1: this format
    bytes 1-2     version of the tenant's key
    bytes 3-14    nonce, random
    the rest      ciphertext and tag; authenticated with it: header, tenant|table.column|row

In text and jsonb columns that is base64 behind U+0001, which no text of a client contains; in bytea
columns it stands as it is. What is not sealed is read as it is, so that rows from before keep
working until they are sealed. Plaintext is JSON, in bytea columns bytes (ADR 0029).
"""

import binascii
import hashlib
import hmac
import logging
import os
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chroniccare.core.errors import Problem
from chroniccare.core.wire import dumps
from chroniccare.platform import masterkey

log = logging.getLogger(__name__)

Purpose = Literal["data", "record", "index"]
"""`data`: rows that change, sealed anew after a rotation. `record`: rows that are only added, which
keep their version. `index`: what equal values are found by."""
KEPT_S = 30.0
"""Seconds for which a process remembers the keys of a tenant, so how long after a shred it may
still read."""
MARK = "\x01"
_FORMAT = 1
_HEADER = struct.Struct(">BH")
_NONCE_BYTES = 12
_WITH_POINTS = frozenset({"contacts", "telecom"})
_LEAST = _HEADER.size + _NONCE_BYTES + 16


class Unreadable(Problem):
    """A stored value cannot be decrypted: altered, moved from elsewhere, or its key is destroyed.

    `str()` and the log name table, column and row; the client is told no more than that it is so.
    """

    code = "UNREADABLE"
    message = "A stored value cannot be decrypted."

    def __init__(self, column: "Column", row: object) -> None:
        super().__init__()
        shown = _id_of(row)
        self.where = f"{column.name} of {shown}"
        log.error("cannot decrypt", extra={"column": column.name, "row": shown})

    def __str__(self) -> str:
        """Return what cannot be decrypted; never the value."""
        return f"cannot decrypt {self.where}"


def _id_of(row: object) -> str:
    """Return the row's id; a key that a client chose may say anything and is left out."""
    try:
        return str(UUID(str(row)))
    except ValueError:
        return "a row"


class UnknownVersion(Unreadable):
    """The tenant's keys, as remembered, have no such version."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is sealed, named `table.column`."""

    name: str
    purpose: Purpose = "data"


@dataclass(frozen=True, slots=True)
class Opens:
    """A field of a record that is sealed in its table.

    Attributes:
        by: field of the record that names the row; it must be in the record.
        within: what is sealed: the field itself, the parts of an `address` apart from the country,
            the `rest` of a document, single values in the `changes` of an audit entry, or the
            values of contact `points`, each of which says by `point` which row it is of.
    """

    column: Column
    field: str
    by: str = "id"
    within: Literal["field", "address", "rest", "changes", "points"] = "field"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One key of a tenant as it is stored; `stored_at`: since when the store is needed, too."""

    purpose: Purpose
    version: int
    wrapped: bytes
    master_id: str
    state: str
    stored_at: datetime | None = None

    def opened(self, master: masterkey.MasterKeys, tenant_id: UUID) -> bytes:
        """Return the key.

        Raises:
            masterkey.CannotUnwrap: a master key or the store's is missing.
        """
        in_store = self.stored_at is not None
        wrapped = masterkey.Wrapped(self.master_id, self.wrapped, in_store=in_store)
        return master.unwrap_tenants(tenant_id, self.purpose, self.version, wrapped)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one tenant, in clear: kept in memory for seconds, and nowhere else.

    Attributes:
        active: version that seals, by purpose; without one values are written as they are.
    """

    tenant_id: UUID
    active: Mapping[Purpose, int] = field(default_factory=dict)
    ciphers: Mapping[tuple[Purpose, int], AESGCM] = field(default_factory=dict, repr=False)
    index: bytes = field(default=b"", repr=False)
    tenant: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep the tenant's id as text: to write it is dearer than to decrypt."""
        object.__setattr__(self, "tenant", f"{self.tenant_id}|")

    def seal(self, column: Column, row: object, plain: bytes) -> bytes:
        """Return `plain` sealed for its place, or as it is where the tenant has no keys."""
        version = self.active.get(column.purpose)
        if version is None:
            return plain
        header, nonce = _HEADER.pack(_FORMAT, version), os.urandom(_NONCE_BYTES)
        cipher = self.ciphers[column.purpose, version]
        return header + nonce + cipher.encrypt(nonce, plain, self._bound(header, column, row))

    def unseal(self, column: Column, row: object, data: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            UnknownVersion: there is no such key (any more).
            Unreadable: it is not what was sealed for this place.
        """
        if len(data) < _LEAST or data[0] != _FORMAT:
            raise Unreadable(column, row)
        cipher = self.ciphers.get((column.purpose, data[1] << 8 | data[2]))
        if cipher is None:
            raise UnknownVersion(column, row)
        try:
            return cipher.decrypt(data[3:15], data[15:], self._bound(data[:3], column, row))
        except InvalidTag:
            raise Unreadable(column, row) from None

    def sealed(self, column: Column, row: object, value: Any) -> Any:
        """Return a JSON value sealed as text; nothing (None, {}) stays nothing."""
        if not value or column.purpose not in self.active:
            return value
        sealed = self.seal(column, row, dumps(value))
        return MARK + binascii.b2a_base64(sealed, newline=False).decode()

    def unsealed(self, column: Column, row: object, value: Any) -> Any:
        """Return the JSON value behind a sealed text; what is not sealed is returned as it is.

        Raises:
            Unreadable: it is not what was sealed for this place, see `unseal`.
        """
        if not _marked(value):
            return value
        try:
            data = binascii.a2b_base64(value[len(MARK) :], strict_mode=True)
        except ValueError:  # not base64, or not ASCII
            raise Unreadable(column, row) from None
        return orjson.loads(self.unseal(column, row, data))

    def sealed_address(self, column: Column, row: object, info: dict[str, Any]) -> dict[str, Any]:
        """Return contact information whose address is sealed apart from its country."""
        address = info.get("address")
        if not address or column.purpose not in self.active:
            return info
        country = {k: v for k, v in address.items() if k == "country" and v is not None}
        return {"address": country, "sealed": self.sealed(column, row, info)}

    def sealed_rest(
        self, column: Column, row: object, document: dict[str, Any], *, clear: frozenset[str]
    ) -> dict[str, Any]:
        """Return a document in which all but the parts named in `clear` is sealed."""
        rest = {name: part for name, part in document.items() if name not in clear}
        if not rest or column.purpose not in self.active:
            return document
        kept = {name: part for name, part in document.items() if name in clear}
        return {**kept, "sealed": self.sealed(column, row, rest)}

    def unsealed_rest(self, column: Column, row: object, value: dict[str, Any]) -> dict[str, Any]:
        """Return a document with what of it is sealed in clear; see `unsealed`."""
        rest = {name: part for name, part in value.items() if name != "sealed"}
        return rest | (self.unsealed(column, row, value.get("sealed")) or {})

    def blind(self, column: Column, value: str) -> bytes:
        """Return 32 bytes that are equal for equal values of one tenant and tell nobody else any.

        Without keys they are of no use: empty.
        """
        if not self.index:
            return b""
        return hmac.digest(self.index, f"{column.name}|{value}".encode(), hashlib.sha256)

    def opened(self, where: "Places", record: Sequence[Any]) -> list[Any]:
        """Return the values of a record with its sealed fields in clear.

        Raises:
            Unreadable: one is not what was sealed for this place, see `unseal`.
        """
        values = list(record)
        for at, by, one in where:
            values[at] = self._within(one, values[by], values[at])
        return values

    def opened_row(self, opens: Iterable[Opens], row: dict[str, Any]) -> dict[str, Any]:
        """Return a row as a JSON object, with its sealed columns in clear; see `opened`."""
        clear = {one.field: self._within(one, row[one.by], row[one.field]) for one in opens}
        return row | clear

    def _within(self, one: Opens, row: object, value: Any) -> Any:
        if one.within == "points":
            return self._points(one.column, value)
        if one.within == "field" or not isinstance(value, dict):
            return self.unsealed(one.column, row, value)
        if one.within in {"address", "rest"}:
            return self.unsealed_rest(one.column, row, value)
        return {
            side: {
                name: self.unsealed(_inside(one.column, side, name), row, part)
                for name, part in parts.items()
            }
            for side, parts in value.items()
        }

    def _points(self, column: Column, value: Any) -> Any:
        """Return a document with the contact points in it, if any, in clear."""
        if isinstance(value, list):
            return [self._points(column, one) for one in value]
        if not isinstance(value, dict):
            return value
        if "point" in value:
            clear = {name: part for name, part in value.items() if name != "point"}
            clear["value"] = self.unsealed(column, value["point"], value["value"])
            return clear
        return {
            name: self._points(column, part) if name in _WITH_POINTS else part
            for name, part in value.items()
        }

    def sealed_changes(
        self, column: Column, row: object, changes: dict[str, Any], names: frozenset[str]
    ) -> dict[str, Any]:
        """Return the changes of an audit entry with the values of `names` sealed."""
        return {
            side: {
                name: self.sealed(_inside(column, side, name), row, part) if name in names else part
                for name, part in parts.items()
            }
            for side, parts in changes.items()
        }

    def _bound(self, header: bytes, column: Column, row: object) -> bytes:
        return header + (self.tenant + column.name + "|" + str(row)).encode()


def _inside(column: Column, side: str, name: str) -> Column:
    return Column(f"{column.name}.{side}.{name}", column.purpose)


def lead(version: int) -> str:
    """Return the five characters with which texts sealed under `version` begin."""
    return MARK + binascii.b2a_base64(_HEADER.pack(_FORMAT, version), newline=False).decode()


def _marked(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(MARK)


Places = tuple[tuple[int, int, Opens], ...]
"""Where in a record a sealed field is, and where what names its row."""


def places(row: type, opens: tuple[Opens, ...]) -> Places:
    """Return where the sealed fields of the record `row` are."""
    names = [one.name for one in fields(row)] if opens else []
    return tuple(
        # Contact points say themselves which rows they are.
        (names.index(one.field), names.index(one.field if one.within == "points" else one.by), one)
        for one in opens
    )


def is_sealed(where: Places, record: Sequence[Any]) -> bool:
    """Return whether some field of a record may be sealed: else no keys are needed."""
    for at, _, one in where:
        value = record[at]
        if one.within == "points":  # what they are of is left out, sealed or not
            if value:
                return True
        elif _marked(value) or (
            isinstance(value, dict) and (one.within == "changes" or "sealed" in value)
        ):
            return True
    return False


def as_bytea(blind: bytes) -> str | None:
    """Return a blind index as it travels in a JSON document; nothing stays nothing."""
    return f"\\x{blind.hex()}" if blind else None


def as_text(blind: bytes) -> str | None:
    """Return a blind index as the 44 characters of a text column; nothing stays nothing."""
    return binascii.b2a_base64(blind, newline=False).decode() if blind else None


def is_sealed_bytes(data: bytes) -> bool:
    """Return whether bytes that are JSON when they are not sealed are sealed."""
    return data[:1] == bytes([_FORMAT])


def unlocked(tenant_id: UUID, rows: Sequence[WrappedKey]) -> Keyring:
    """Return the keys of a tenant in clear.

    Raises:
        masterkey.CannotUnwrap: a key around them is missing; nothing is written in clear instead.
    """
    master = masterkey.held()
    if master is None or not rows:
        if rows:
            raise masterkey.CannotUnwrap("no file of master keys is set, and the tenant has keys")
        return Keyring(tenant_id)
    active: dict[Purpose, int] = {}
    ciphers: dict[tuple[Purpose, int], AESGCM] = {}
    index = b""
    for row in rows:
        key = row.opened(master, tenant_id)
        if row.purpose == "index":
            index = key
        else:
            ciphers[row.purpose, row.version] = AESGCM(key)
            if row.state == "active":
                active[row.purpose] = row.version
    return Keyring(tenant_id, active, ciphers, index)


_remembered: dict[UUID, tuple[float, Keyring]] = {}


def remember(keys: Keyring) -> None:
    """Keep the keys of a tenant for `KEPT_S`, and let go of those whose time is over."""
    now = time.monotonic()
    for tenant in [one for one, (until, _) in _remembered.items() if until <= now]:
        del _remembered[tenant]
    _remembered[keys.tenant_id] = (now + KEPT_S, keys)


def remembered(tenant_id: UUID) -> Keyring | None:
    """Return the keys of a tenant if they were read less than `KEPT_S` ago."""
    found = _remembered.get(tenant_id)
    return found[1] if found is not None and found[0] > time.monotonic() else None


def forget(tenant_id: UUID) -> None:
    """Let go of the keys of a tenant, in this process."""
    _remembered.pop(tenant_id, None)
