"""Which errors are the operator's to mend, and the one line that says how."""

from chroniccare.core.errors import Problem
from chroniccare.migrations.runner import MigrationError
from chroniccare.notifications.batch_file import BatchFileError
from chroniccare.platform import probe
from chroniccare.platform.embedded import EngineError
from chroniccare.platform.masterkey import CannotUnwrap
from chroniccare.settings import SettingsError

_OURS = (
    SettingsError, EngineError, MigrationError, BatchFileError, CannotUnwrap, probe.ProbeError
)  # fmt: skip


def explained(error: BaseException) -> str | None:
    """Return one line for an error that the operator can mend; None for a fault of ours."""
    text: str | None
    if isinstance(error, Problem):
        details = [f"{item.field}: {item.reason}" for item in error.details]
        text = "; ".join(details) or error.message
    elif isinstance(error, _OURS):
        text = str(error)
    elif isinstance(error, OSError):
        text = f"{error.strerror or type(error).__name__}: {error.filename or 'input or output'}"
    else:
        text = probe.explain(error)
    return None if text is None else " ".join(text.split())
