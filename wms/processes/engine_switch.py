"""Lock the engine for principals, and see whether it is locked."""

from dataclasses import dataclass

from schemas.errors import Unavailable
from wms.engine.engine_lock import LockKeeper
from wms.tenancy.rights import Action, Principal, check_right, may_everywhere


@dataclass(frozen=True, slots=True)
class EngineLock:
    """Whether the engine is locked, so that no new steps begin, and how many steps run now."""

    is_locked: bool
    n_running: int


class EngineSwitch:
    """Locks and unlocks the engine. While it is locked, no process can be started or resumed."""

    def __init__(self, lock: LockKeeper) -> None:
        self._lock = lock

    async def find_lock(self) -> EngineLock:
        """Return whether an operator has locked the engine, and how many steps run."""
        return EngineLock(await self._lock.read_lock(), await self._lock.count_running())

    async def set_lock(self, principal: Principal, *, is_locked: bool) -> EngineLock:
        """Lock the engine, so that no new step begins, or unlock it. Return the lock, and how many steps still run.

        Raises:
            NotFound, Forbidden: the principal may not change the settings of the whole server.
        """
        if not may_everywhere(principal, Action.CHANGE_SETTINGS):
            check_right(principal, Action.CHANGE_SETTINGS, "")
        await self._lock.set_locked(is_locked=is_locked, who=principal.subject)
        return EngineLock(is_locked, await self._lock.count_running())

    async def check_unlocked(self) -> None:
        """Check that the engine is not locked.

        Raises:
            Unavailable: it is locked.
        """
        if await self._lock.read_lock():
            raise Unavailable("engine locked", hint="an administrator has paused all processes; try again later")
