"""What turns keys and tokens into callers, as the settings say."""

from chroniccare.settings import Settings
from chroniccare.settings_identity import issuers
from chroniccare.tenancy.caller import Authority
from chroniccare.tenancy.guesses import Guesses
from chroniccare.tenancy.people import People
from chroniccare.tenancy.turns import Turns


def authority(settings: Settings) -> Authority:
    """Return the authority of one process."""
    return Authority(
        pepper=settings.key_pepper.get_secret_value(),
        per_second=settings.rate_limit_per_minute / 60,
        burst=settings.rate_limit_burst,
        people=People(issuers(settings.oidc_issuers)),
        guesses=Guesses(settings.wrong_keys_per_minute),
        turns=Turns(settings.requests_at_once),
    )
