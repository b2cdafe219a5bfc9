"""How often a signal ended the pilots of a taskforce, and when last: from TMS's snapshots to what users see."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class PilotKills(BaseModel):
    """The pilots of a taskforce that one signal ended, since the taskforce started."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    signal: Annotated[str, Field(description="The signal in words: `SIGKILL (most often out of memory)`.")]
    n_kills: Annotated[int, Field(description="How often it ended a pilot. A worker may be killed more than once.")]
    last_at: Annotated[
        AwareDatetime | None, Field(description="When it last ended one; null if the log of the pool has no date.")
    ] = None


def describe_kills(kills: PilotKills) -> str:
    """Return `kills` as a sentence: "pilots were killed 2 time(s) by SIGKILL, the last at 2026-11-29 12:03:11 UTC"."""
    last = f", the last at {kills.last_at:%F %T} UTC" if kills.last_at is not None else ""
    return f"pilots were killed {kills.n_kills} time(s) by {kills.signal}{last}"
