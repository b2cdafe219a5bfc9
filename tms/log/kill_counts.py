"""Count the pilots that signals ended, and remember the last workers that this happened to. (core)"""

from datetime import UTC, datetime

from schemas.fleet.pilot_kills import MAX_LATEST, PilotKill, PilotKills
from tms.log.hold_reasons import name_signal


def count_kill(kills: dict[int, PilotKills], number: int, *, worker: int, slot: str, at: datetime | None) -> None:
    """Add to `kills`, by signal, that the signal `number` ended the pilot of `worker` in `slot`. Without a zone `at` is
    local time.
    """
    before = kills.get(number)
    killed_at = at.astimezone(UTC) if at is not None else None
    kill = PilotKill(worker=worker, slot=slot, at=killed_at)
    kills[number] = PilotKills(
        signal=name_signal(number),
        n_kills=1 + (before.n_kills if before is not None else 0),
        last_at=killed_at,
        latest=[*(before.latest if before is not None else ()), kill][-MAX_LATEST:],
    )
