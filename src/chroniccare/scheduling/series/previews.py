"""What a dry run has shown, held against what would be done."""

from collections.abc import Iterable
from hashlib import sha256

from chroniccare.core import wire
from chroniccare.core.errors import PreconditionFailed
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.series.actions import Occurrence
from chroniccare.scheduling.series.schemas import SeriesCancellation, SeriesEdit


class PreviewChanged(PreconditionFailed):
    """Something else would be done than the dry run said that somebody has looked at."""

    code = "PREVIEW_CHANGED"
    message = "What would be done is not what was shown; nothing was changed. Ask for it again."


def mark(
    body: SeriesEdit | SeriesCancellation, now: Iterable[Appointment], told: list[Occurrence]
) -> str:
    """Return the mark of what is asked for, and of every visit as it is and as it would be."""
    # What was not said stays, and null takes away: they are not the same.
    asked = body.model_dump(exclude={"dry_run", "preview"}, exclude_unset=True, mode="json")
    stands = [
        [one.id, one.scheduled_start, one.scheduled_end, one.provider_id, one.facility_id]
        for one in now
    ]
    return sha256(wire.dumps([asked, stands, told])).hexdigest()
