"""Looks at a tenant's audit and its chain from end to end, and tells what is wrong and where."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from chroniccare.audit import queries_seals
from chroniccare.audit.rules import Finding, Head, Walk
from chroniccare.core.caller import system
from chroniccare.platform.postgres import begin

_BATCH = 5000
_SHOWN = 1000


@dataclass(slots=True)
class Report:
    """What was found in one chain.

    Attributes:
        sealed: seals looked at.
        waiting: rows that have no seal yet, and may.
        agreed: number of the last seal that a signed head confirms; 0 if there is none.
        wrong: how many findings there are; the first thousand are `findings`.
    """

    sealed: int = 0
    waiting: int = 0
    agreed: int = 0
    wrong: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Take a finding in."""
        self.wrong += 1
        if len(self.findings) < _SHOWN:
            self.findings.append(finding)


async def verify(
    tenant_id: UUID, heads: Mapping[int, Head] | None = None, anchor: Head | None = None
) -> Report:
    """Look at every seal and every row of a tenant; `heads` are signed ends, by number.

    `anchor` is the last seal of what was removed, with a signed word of it. What is written
    meanwhile does no harm. Each batch is a transaction of its own.
    """
    report, walk = Report(), Walk(tenant_id, heads or {})
    caller = system(tenant_id, job="audit-verify")
    while True:
        async with begin(caller) as tx:
            await tx.plan_afresh()
            seals = await tx.all(queries_seals.SEALED, walk.seq, _BATCH)
        if anchor is not None and not report.sealed:
            walk.begin_after(anchor, seals[0] if seals else None)
        for seal in seals:
            report.sealed += 1
            for finding in walk.step(seal):
                report.add(finding)
        if len(seals) < _BATCH:
            break
    for finding in walk.end():
        report.add(finding)
    report.agreed = walk.agreed
    await _unsealed(tenant_id, walk, report)
    return report


async def _unsealed(tenant_id: UUID, walk: Walk, report: Report) -> None:
    """Look at every row for those without a seal, which wait for it or were slipped in."""
    after: tuple[object, object] = (None, None)
    caller = system(tenant_id, job="audit-verify")
    while True:
        async with begin(caller) as tx:
            await tx.plan_afresh()
            rows = await tx.all(queries_seals.LOOKED, *after, _BATCH)
        for finding in _slipped_in(rows, walk, report):
            report.add(finding)
        if len(rows) < _BATCH:
            return
        after = (rows[-1].created_at, rows[-1].id)


def _slipped_in(rows: list[queries_seals.Looked], walk: Walk, report: Report) -> Iterator[Finding]:
    for row in rows:
        if row.is_sealed:
            continue
        if row.xact < walk.horizon or walk.is_late(row.created_at):
            yield Finding("inserted", None, None, row.id, row.created_at)
        else:
            report.waiting += 1
