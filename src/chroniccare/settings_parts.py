"""The parts of `settings.Settings` that have files of their own."""

from chroniccare.settings_audit import AuditSettings
from chroniccare.settings_care import CareSettings
from chroniccare.settings_fhir import FhirSettings
from chroniccare.settings_identity import IdentitySettings
from chroniccare.settings_keeping import KeepingSettings
from chroniccare.settings_keys import KeySettings
from chroniccare.settings_peers import PeerSettings
from chroniccare.settings_telemetry import TelemetrySettings
from chroniccare.settings_webhooks import WebhookSettings


class Parts(
    AuditSettings,
    CareSettings,
    FhirSettings,
    IdentitySettings,
    KeepingSettings,
    KeySettings,
    PeerSettings,
    TelemetrySettings,
    WebhookSettings,
):
    """All of them."""
