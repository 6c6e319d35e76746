"""What of messages and their recipients is sealed, for the loop that seals it anew."""

from chroniccare.notifications.devices import sealed as devices
from chroniccare.notifications.preferences import sealed as preferences
from chroniccare.notifications.proxies import sealed as proxies

SWEEPS = (*devices.SWEEPS, *preferences.SWEEPS, *proxies.SWEEPS)
