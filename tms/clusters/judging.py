"""Turn the pilots' findings about single workers into a ruling for their whole taskforce.

A ruling names machines for the taskforce to avoid, or states that its task fails on every machine.
"""

from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.telemetry import gauge, log
from schemas.ids import TaskforceUuid
from tms.jobs.trials import Ruling, decide_ruling, needs_ruling
from tms.log.statuses import Tally
from tms.log.watch import LogWatch
from tms.pools.interface import Pool

INTERVAL_S = 5.0

_all_bad = gauge("taskforces_all_bad", "Taskforces whose task fails on every worker.")


class Judge:
    """The loop that makes a ruling on each taskforce with bad workers."""

    def __init__(self, pool: Pool, watch: LogWatch) -> None:
        self._pool = pool
        self._watch = watch
        #: The rulings in force, as far as this process knows them. The pool keeps them over a restart of TMS.
        self._rulings: dict[TaskforceUuid, Ruling] = {}
        #: How many jobs existed when the ruling was last applied. Later jobs do not have it yet.
        self._n_made: dict[TaskforceUuid, int] = {}

    async def run(self) -> None:
        """Make the rulings at once, and then every few seconds. This never returns."""
        # Failures are not warnings here, because other loops warn if the pool is away.
        await BackgroundLoop(
            self.judge_taskforces,
            name="judge",
            failed="the findings about bad workers could not be judged",
            every_s=INTERVAL_S,
            level="debug",
        ).run()

    async def judge_taskforces(self) -> None:
        """Make one ruling on each taskforce with bad workers. Tell the watch which tasks fail on every worker."""
        tallies = self._watch.collect_tallies()
        # The pool drops a ruling together with its cluster.
        for uuid in self._rulings.keys() - tallies.keys():
            del self._rulings[uuid]
            self._n_made.pop(uuid, None)
        for uuid, tally in tallies.items():
            if tally.trials.condemned and tally.cluster_id is not None and tally.removed is None:
                await self._judge_taskforce(uuid, tally)
        all_bad = {uuid for uuid, ruling in self._rulings.items() if ruling.charges_events}
        _all_bad.set(len(all_bad))
        self._watch.note_all_bad(all_bad)

    async def _judge_taskforce(self, uuid: TaskforceUuid, tally: Tally) -> None:
        before = self._rulings.get(uuid)
        if before is None:
            # An earlier TMS may have ruled. Only this part of its ruling matters.
            before = self._rulings[uuid] = Ruling(charges_events=await self._pool.charges_events(uuid))
        is_behind = before != Ruling() and self._n_made.get(uuid) != len(tally.jobs)
        if not is_behind and not needs_ruling(tally.trials, before, utc_now().timestamp()):
            return
        machines = {one.machine for one in tally.trials.condemned.values()}
        has_other = await self._pool.has_other_machine(uuid, machines)
        ruling = decide_ruling(
            tally.trials,
            tally.count_statuses(),
            before=before,
            has_other_machine=has_other,
            now_s=utc_now().timestamp(),
        )
        if ruling == before and not is_behind:
            return
        await self._pool.apply_ruling(uuid, ruling, succeeded=tally.trials.succeeded)
        self._rulings[uuid], self._n_made[uuid] = ruling, len(tally.jobs)
        log.info(
            "pilots have found their workers bad",
            taskforce_uuid=uuid,
            charges_events=ruling.charges_events,
            avoided=list(ruling.machines),
        )
