"""Renew the pilots' tokens as long as their cluster is in the queue.

A token lives for an hour, a taskforce for days. When half of a token's life is over, TMS asks MQS for the next token
and replaces the token file. HTCondor sends the new file to jobs that start later; running pilots fetch the file
(`pilot/events/token_renewal.py`). TMS renews no token for a taskforce that was stopped or whose workflow is over. The
rights of its pilots end with the last token.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from runtime.bus.service_bus import Bus
from runtime.concurrency.loops import BackgroundLoop
from runtime.concurrency.turns import Turns
from runtime.telemetry import counter, log
from schemas.errors import Broken, EWMSError, Unavailable
from schemas.ids import TaskforceUuid
from schemas.questions.queues import GrantAnswer, GrantQuery
from tms.clusters.stopped_taskforces import StoppedTaskforces
from tms.files import TaskforceFiles, TmsDirectory, write_private
from tms.jobs.pilot_files import renewal_at, token_file
from tms.log.watch import LogWatch
from tms.reporter import Clock

#: How many seconds to wait after MQS or the disk has failed.
_AGAIN_S = 5.0

#: How long MQS may take for a token. It first makes new queues usable: 4 to 8 s where the broker refuses seals.
_GRANT_WITHIN_S = 15.0

_renewed = counter("pilot_tokens_renewed_total", "Tokens of taskforces that were renewed.")


class TokenRenewal:
    """The loop that renews tokens. `Starter` adds every cluster that it reports to WMS."""

    def __init__(
        self, *, home: TmsDirectory, bus: Bus, watch: LogWatch, turns: Turns, ended: StoppedTaskforces, clock: Clock
    ) -> None:
        self._home = home
        self._bus = bus
        self._watch = watch
        self._turns = turns
        self._ended = ended
        self._now = clock
        self._due: dict[TaskforceUuid, datetime] = {}
        self._loop = BackgroundLoop(
            self._renew_due, name="token renewal", failed="renewing failed", back_off=lambda _: _AGAIN_S
        )

    async def take_up_followed(self) -> None:
        """Begin to renew the tokens of all taskforces that the watch follows."""
        for uuid in self._watch.list_followed():
            self.follow_taskforce(uuid, await asyncio.to_thread(self._home.taskforce_files(uuid).read_submission))

    def follow_taskforce(self, uuid: TaskforceUuid, kept: Mapping[str, Any]) -> None:
        """Renew the token of `uuid` from now on. `kept` is the taskforce's submission; if it names no token, do
        nothing.
        """
        if uuid in self._due:
            return
        try:
            granted_at = datetime.fromisoformat(kept["token_granted_at"])
            expires_at = datetime.fromisoformat(kept["token_expires_at"])
        except (KeyError, TypeError, ValueError):
            return
        self._due[uuid] = renewal_at(granted_at, expires_at)
        self._loop.wake()

    async def run(self) -> None:
        """Renew tokens when they are due, until cancelled."""
        await self._loop.run()

    async def _renew_due(self) -> float | None:
        """Renew the due tokens. Return the seconds until the next token is due. Return None if no token is left."""
        now = self._now()
        for uuid in [uuid for uuid, due_at in self._due.items() if due_at <= now]:
            try:
                await self._renew_token(uuid)
            except (Unavailable, OSError) as error:
                # Delay only this taskforce: its failures must not delay the tokens of the others.
                log.warning("token cannot be renewed yet", taskforce_uuid=uuid, reason=str(error))
                self._due[uuid] = now + timedelta(seconds=_AGAIN_S)
            except EWMSError as error:
                log.warning("token is not renewed any more", taskforce_uuid=uuid, reason=error.reason)
                del self._due[uuid]
            except Exception:  # noqa: BLE001 - a fault of one taskforce must not end the tokens of all
                log.error("renewing failed", taskforce_uuid=uuid, exc_info=True)
                self._due[uuid] = now + timedelta(seconds=_AGAIN_S)
        if not self._due:
            return None
        return max(0.0, (min(self._due.values()) - self._now()).total_seconds())

    async def _renew_token(self, uuid: TaskforceUuid) -> None:
        async with self._turns.hold_turn(uuid):
            files = self._home.taskforce_files(uuid)
            if uuid in self._ended or uuid not in self._watch.list_followed() or not files.token.exists():
                del self._due[uuid]
                return
            kept = await asyncio.to_thread(files.read_submission)
            try:
                query = GrantQuery.model_validate(kept.get("grant"))
            except ValidationError as error:
                raise Broken(
                    "submission.json of the taskforce has no grant request, so its token cannot be renewed"
                ) from error
            granted_at = self._now()
            grant = await ask_for_grant(self._bus, query)
            kept |= {"token_granted_at": granted_at.isoformat(), "token_expires_at": grant.expires_at.isoformat()}
            await asyncio.to_thread(_write_token, files, kept, token_file(grant))
            # While MQS answered, the watch may have ended the taskforce and removed its token.
            if uuid not in self._watch.list_followed():
                await asyncio.to_thread(files.token.unlink, missing_ok=True)
                del self._due[uuid]
                return
            self._due[uuid] = renewal_at(granted_at, grant.expires_at)
            _renewed.inc()
            log.info("token renewed", taskforce_uuid=uuid, expires_at=grant.expires_at.isoformat())


async def ask_for_grant(bus: Bus, query: GrantQuery) -> GrantAnswer:
    """Send `query` to MQS, and return the answer, which has the token for a taskforce's queues.

    Raises:
        Unavailable: MQS did not answer.
        Rejected, Conflict: MQS refuses the token.
        Broken: MQS sent an answer of another kind.
    """
    answer = await bus.ask(query, timeout_s=_GRANT_WITHIN_S)
    if not isinstance(answer, GrantAnswer):
        raise Broken(f"MQS answered {answer.kind} to a request for a grant")
    return answer


def _write_token(files: TaskforceFiles, kept: dict[str, object], token: bytes) -> None:
    # Write the token first. After a crash between the two writes, TMS only renews the token once more than needed.
    write_private(files.token, token)
    files.write_submission(kept)
