"""`audit verify`: the chains of the audit against the rows, and against signed heads."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from chroniccare.audit import anchors
from chroniccare.audit import heads as exported
from chroniccare.audit.rules import Finding, Head
from chroniccare.audit.verifying import Report, verify
from chroniccare.commands import tenants
from chroniccare.core.errors import Invalid
from chroniccare.platform.key_file import BadKeyFile
from chroniccare.privacy import audit_pruning, tenant_erasing
from chroniccare.settings import Settings
from chroniccare.tenancy.actions import list_tenants

_TEXTS = {
    "changed": "the row or its seal was changed",
    "deleted": "the row is gone, its seal is there",
    "missing": "rows and seals are gone",
    "inserted": "the row was not there when its time was sealed",
    "relinked": "the seal does not follow the one before it",
    "cut": "the end is gone: a signed head says that the chain went on",
    "rewritten": "the chain was written anew: a signed head has another hash",
    "head": "not a head that the key has signed",
}


@dataclass(slots=True)
class Told:
    """What signed heads say.

    Attributes:
        heads: by tenant and number.
        bad: numbers of the lines that are no heads.
        twice: tenants and numbers that were signed with two hashes: the chain was written anew in
            between, and its worker signed the second one.
        erased: the last heads, number and hash, that signed reports of erasures name.
        pruned: by tenant, the last seal that signed anchors say was removed.
    """

    heads: dict[UUID, dict[int, Head]] = field(default_factory=lambda: defaultdict(dict))
    bad: list[int] = field(default_factory=list)
    twice: set[tuple[UUID, int]] = field(default_factory=set)
    erased: dict[UUID, set[tuple[int, str]]] = field(default_factory=dict)
    pruned: dict[UUID, Head] = field(default_factory=dict)

    def is_erased(self, tenant_id: UUID) -> bool:
        """Return whether a report of its erasure names its highest head, and so the whole audit."""
        last = self.heads[tenant_id][max(self.heads[tenant_id])]
        return (last.seq, last.hash.hex()) in self.erased.get(tenant_id, ())


@dataclass(frozen=True, slots=True)
class Verified:
    """What the command prints, and whether all is well."""

    lines: list[str]
    ok: bool


def told(settings: Settings, heads: Path | None, key: Path | None) -> Told:
    """Return the heads of a file: the one named, else the directory's of the settings, if any.

    Raises:
        Invalid: the file or the key cannot be read.
    """
    if heads is None and settings.audit_heads_dir:
        standing = Path(settings.audit_heads_dir) / exported.FILE
        heads = standing if standing.exists() else None
    found = Told()
    if heads is None:
        return found
    try:
        for one in exported.read_file(heads, key):
            if isinstance(one, int):
                found.bad.append(one)
                continue
            first = found.heads[one.tenant_id].setdefault(one.seq, one)
            if first.hash != one.hash:
                found.twice.add((one.tenant_id, one.seq))
        found.erased = tenant_erasing.reported(heads.parent, key)
        found.pruned = anchors.read(heads.parent, key)
    except (BadKeyFile, OSError) as error:
        raise Invalid.field("heads", str(error), "unreadable") from None
    return found


async def verified(subdomain: str | None, given: Told) -> Verified:
    """Verify one tenant, or all of them, and say what was found.

    Raises:
        NotFound: no such tenant.
    """
    chosen = [await tenants.choose(subdomain)] if subdomain else await list_tenants()
    lines = [f"heads, line {number}: {_TEXTS['head']}" for number in given.bad]
    lines += [
        f"{tenant_id}: rewritten at number {seq}: two heads have been signed for it"
        for tenant_id, seq in sorted(given.twice)
    ]
    ok = not given.bad and not given.twice
    for tenant in chosen:
        anchor = given.pruned.get(tenant.id)
        report = await verify(tenant.id, given.heads.get(tenant.id), anchor)
        lines.append(f"{tenant.subdomain}: {_summary(report)}")
        lines += [f"  {_told(finding)}" for finding in report.findings]
        ok = ok and not report.wrong
    if not subdomain:
        unlisted = given.heads.keys() - {tenant.id for tenant in chosen}
        # Not what the database says of itself: whoever rewrites rows can say that as well.
        erased = {tenant_id for tenant_id in unlisted if given.is_erased(tenant_id)}
        lines += [
            f"{tenant_id}: erased; its report has the last head" for tenant_id in sorted(erased)
        ]
        gone = unlisted - erased
        begun = gone & await tenant_erasing.erased()
        lines += [
            f"{tenant_id}: called erased, and no signed report of its last head says so"
            for tenant_id in sorted(begun)
        ]
        lines += [
            f"{tenant_id}: the tenant of signed heads is gone" for tenant_id in sorted(gone - begun)
        ]
        ok = ok and not gone
    return Verified(lines, ok)


async def prune(settings: Settings, subdomain: str | None) -> list[str]:
    """Remove what of the audit has been kept long enough; see `privacy.audit_pruning`.

    Raises:
        NotFound: no such tenant.
        NotSound: a chain has faults; those of the tenants before it are done.
    """
    chosen = [await tenants.choose(subdomain)] if subdomain else await list_tenants()
    lines = []
    for tenant in chosen:
        done = await audit_pruning.prune(settings, tenant.id)
        before = f"{tenant.subdomain}: removed {done.rows} rows from before {done.until:%Y-%m-%d}"
        lines.append(before if done.held is None else f"{before}; a hold keeps {done.held} and on")
    return lines


def _summary(report: Report) -> str:
    verdict = f"{report.wrong} faults" if report.wrong else "sound"
    heads = (
        f"confirmed by a signed head up to {report.agreed}"
        if report.agreed
        else "confirmed by no head"
    )
    return f"{verdict}; {report.sealed} sealed, {heads}, {report.waiting} waiting for a seal"


def _told(finding: Finding) -> str:
    if finding.first is None:
        where = "no number"
    elif finding.last is None or finding.last == finding.first:
        where = f"number {finding.first}"
    else:
        where = f"numbers {finding.first} to {finding.last}"
    row = "" if finding.audit_id is None else f", row {finding.audit_id}"
    at = "" if finding.at is None else f", {finding.at.isoformat(timespec='seconds')}"
    return f"{finding.kind} at {where}{row}{at}: {_TEXTS[finding.kind]}"
