"""The chain of the audit, on paper: how a seal is computed, and what speaks against a log.

    hash = SHA-256( "chroniccare-audit-1" | tenant, 16 bytes | prev, 32 | digest, 32
                    | seq, 8 bytes big-endian | horizon, 8 | sealed_at, 8: microseconds since 1970 )

`prev` is the hash of the seal before, 32 zero bytes for the first; `digest` is the SHA-256 of the
row, see `queries_seals`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

START = bytes(32)
LATE = timedelta(minutes=5)
"""Most that a row's time may lie before that of rows sealed earlier: transactions are far shorter,
clocks of hosts that run NTP far closer."""
_DOMAIN = b"chroniccare-audit-1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Kind = Literal["changed", "deleted", "inserted", "missing", "relinked", "cut", "rewritten", "head"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a chain, and where.

    Attributes:
        kind: `changed`: the row or its seal is not what was sealed; `deleted`: the row is gone, its
            seal is there; `missing`: row and seal are gone; `inserted`: the row was not there when
            its time was sealed; `relinked`: the seal names another seal before it than there is;
            `cut`: a signed head says that the chain was longer; `rewritten`: a signed head has
            another hash; `head`: the head itself is not what was signed.
        first: number in the chain, None for a row without a seal.
        last: the same as `first`, or the end of a range.
        audit_id: the row, if one can be named.
        at: when it was written, or claims to have been; of a head, when that was signed.
    """

    kind: Kind
    first: int | None
    last: int | None = None
    audit_id: UUID | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """One seal beside the row that it is of; digest and created_at are None if that is gone."""

    seq: int
    audit_id: UUID
    prev: bytes
    hash: bytes
    horizon: int
    sealed_at: datetime
    digest: bytes | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Head:
    """One end of a chain, as it was signed."""

    tenant_id: UUID
    seq: int
    hash: bytes
    at: datetime


def link(
    tenant_id: UUID, prev: bytes, digest: bytes, *, seq: int, horizon: int, sealed_at: datetime
) -> bytes:
    """Return the hash of a seal."""
    micros = (sealed_at - _EPOCH) // _MICROSECOND
    numbers = b"".join(number.to_bytes(8, "big") for number in (seq, horizon, micros))
    return hashlib.sha256(_DOMAIN + tenant_id.bytes + prev + digest + numbers).digest()


@dataclass(slots=True)
class Walk:
    """One chain, looked at seal by seal from its start.

    Attributes:
        heads: by number, what signed heads say the hash is.
        seq: number of the last seal seen; 0 at the start.
        latest: latest time of the rows seen.
        horizon: that of the last seal seen.
    """

    tenant_id: UUID
    heads: Mapping[int, Head] = field(default_factory=dict)
    seq: int = 0
    hash: bytes = START
    latest: datetime = _EPOCH
    horizon: int = 0
    is_bad: bool = False
    agreed: int = 0
    disagrees: bool = False

    def begin_after(self, anchor: Head, first: Sealed | None) -> None:
        """Begin where the chain does since what is before was removed up to `anchor`.

        Killed in between, a removal leaves seals up to the anchor: the last of them must be it.
        """
        if first is not None and first.seq <= anchor.seq:
            self.seq, self.hash = first.seq - 1, first.prev if first.seq > 1 else START
            self.heads = {**self.heads, anchor.seq: anchor}
        else:
            self.seq, self.hash, self.agreed = anchor.seq, anchor.hash, anchor.seq

    def step(self, seal: Sealed) -> Iterator[Finding]:
        """Look at the next seal and tell what is wrong with it."""
        if seal.seq != self.seq + 1:
            yield Finding("missing", self.seq + 1, seal.seq - 1)
        was_bad, self.is_bad = self.is_bad, False
        # A seal that is wrong itself says nothing of the next one's link.
        follows = seal.seq != self.seq + 1 or seal.prev == self.hash
        if seal.digest is None or seal.created_at is None:
            yield Finding("deleted", seal.seq, seal.seq, seal.audit_id)
        elif seal.hash != link(
            self.tenant_id, seal.prev, seal.digest,
            seq=seal.seq, horizon=seal.horizon, sealed_at=seal.sealed_at,
        ):  # fmt: skip
            self.is_bad = True
            yield Finding("changed", seal.seq, seal.seq, seal.audit_id, seal.created_at)
        elif not follows and not was_bad:
            yield Finding("relinked", seal.seq, seal.seq, seal.audit_id, seal.created_at)
        elif self.is_late(seal.created_at):
            yield Finding("inserted", seal.seq, seal.seq, seal.audit_id, seal.created_at)
        elif seal.created_at <= seal.sealed_at + LATE:
            self.latest = max(self.latest, seal.created_at)
        yield from self._compared(seal)
        self.seq, self.hash, self.horizon = seal.seq, seal.hash, seal.horizon

    def is_late(self, created_at: datetime) -> bool:
        """Return whether a row claims a time that was sealed long before it appeared."""
        return created_at < self.latest - LATE

    def end(self) -> Iterator[Finding]:
        """Tell of what signed heads say came after the last seal."""
        last = max(self.heads, default=0)
        if last > self.seq:
            yield Finding("cut", self.seq + 1, last, at=self.heads[last].at)

    def _compared(self, seal: Sealed) -> Iterator[Finding]:
        head = self.heads.get(seal.seq)
        if head is None:
            return
        if head.hash == seal.hash:
            self.agreed = seal.seq
        elif not self.disagrees and not self.is_bad:
            # All later heads disagree too: each hash has those before it in it.
            self.disagrees = True
            yield Finding("rewritten", self.agreed + 1, seal.seq, at=head.at)
