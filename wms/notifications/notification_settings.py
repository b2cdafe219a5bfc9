"""The settings of notifications."""

from dataclasses import dataclass

from wms.encryption import SecretKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """The settings of this package."""

    keys: SecretKeys
    public_url: str = ""
    #: Whether notifications may go to loopback and link-local addresses.
    allows_local: bool = False
    timeout_s: float = 30.0
    first_pause_s: float = 5.0
