"""Who registers devices, as settings choose the driver of push."""

from contextlib import AsyncExitStack

from chroniccare.notifications.devices.registrars import Local, Registrar
from chroniccare.settings import Settings, drivers


def chosen(settings: Settings, stack: AsyncExitStack) -> Registrar:
    """Return the registrar; `stack` closes its connections."""
    if "sns" not in drivers(settings, "push"):
        return Local()
    from chroniccare.notifications.channels import registrar_sns

    return registrar_sns.registrar(settings, stack)
