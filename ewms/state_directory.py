"""The directory in which a client keeps what must outlive it: logins, and the ids of received events."""

from collections.abc import Mapping
from pathlib import Path


def state_directory(environment: Mapping[str, str]) -> Path:
    """Return EWMS_STATE_DIR of `environment`; else `ewms` in XDG_STATE_HOME; else `~/.local/state/ewms`."""
    if named := environment.get("EWMS_STATE_DIR"):
        return Path(named)
    home = environment.get("XDG_STATE_HOME", "")
    # A relative path in XDG_STATE_HOME is invalid, and we must ignore it. Source: XDG Base Directory Specification.
    return Path(home, "ewms") if Path(home).is_absolute() else Path.home() / ".local/state/ewms"
