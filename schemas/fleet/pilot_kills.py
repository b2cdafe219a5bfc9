"""How often a signal ended the pilots of a taskforce, and when last: from TMS's snapshots to what users see."""

from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field

from schemas.lazy_model import LazyModel

#: For so many kills by one signal, the latest ones, a taskforce names their workers.
MAX_LATEST = 5

#: What a user can know of the events that killed pilots had.
EVENTS_OF_KILLED = (
    "a killed pilot cannot report which events it had: they come again, and `ewms dlq show` names the attempts at an "
    "event that have no report"
)


class PilotKill(LazyModel):
    """One pilot that a signal ended."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    worker: Annotated[int, Field(description="The worker's number in its taskforce; its logs have the same number.")]
    slot: Annotated[
        str, Field(description="Its slot and machine, or only the machine; empty if the pool's log does not say.")
    ] = ""
    at: Annotated[AwareDatetime | None, Field(description="When; null if the log of the pool has no date.")] = None


class PilotKills(LazyModel):
    """The pilots of a taskforce that one signal ended, since the taskforce started."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    signal: Annotated[str, Field(description="The signal in words: `SIGKILL (most often out of memory)`.")]
    n_kills: Annotated[int, Field(description="How often it ended a pilot. A worker may be killed more than once.")]
    last_at: Annotated[
        AwareDatetime | None, Field(description="When it last ended one; null if the log of the pool has no date.")
    ] = None
    latest: Annotated[
        list[PilotKill], Field(description="The last kills, at most five, the oldest first; an older TMS sends none.")
    ] = Field(default_factory=list)


def describe_kills(kills: PilotKills) -> str:
    """Return `kills` as a sentence.

    "pilots were killed 2 time(s) by SIGKILL, the last at 2026-11-29 12:03:11 UTC: worker 3 on slot1_2@node7, worker 0
    on node8"
    """
    last = f", the last at {kills.last_at:%F %T} UTC" if kills.last_at is not None else ""
    workers = ", ".join(_describe_worker(kill) for kill in kills.latest)
    more = f"{'the last ones: ' if kills.n_kills > len(kills.latest) else ''}{workers}"
    return f"pilots were killed {kills.n_kills} time(s) by {kills.signal}{last}{f': {more}' if workers else ''}"


def _describe_worker(kill: PilotKill) -> str:
    return f"worker {kill.worker} on {kill.slot or 'an unknown machine'}"
