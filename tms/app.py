"""Build TMS once, by hand. Each part starts after the parts that it needs; all stop in reverse order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from runtime.bus.service_bus import Bus
from runtime.clock import utc_now
from runtime.concurrency.retry import call_until_there
from runtime.concurrency.turns import Turns
from runtime.telemetry import log
from runtime.web.health import Check, health_routes, serve_routes
from schemas.broker.topology import tms_service
from schemas.errors import Unavailable
from tms.clusters.forced_removal import ForcedRemoval
from tms.clusters.input_files import InputFiles
from tms.clusters.judging import Judge
from tms.clusters.renew import TokenRenewal
from tms.clusters.start import Starter
from tms.clusters.stop import Stopper
from tms.clusters.stopped_taskforces import StoppedTaskforces
from tms.clusters.sweep import ClusterSweep
from tms.clusters.unmatched_jobs import UnmatchedWatch
from tms.clusters.wms_requests import WmsRequests
from tms.files import TmsDirectory
from tms.log.watch import LogWatch
from tms.pools.condor import CondorPool
from tms.pools.interface import Pool
from tms.pools.local.pool import LocalPool
from tms.reporter import Reporter
from tms.settings import PoolKind, TmsSettings
from tms.worker_logs.answers import WorkerLogDesk
from tms.worker_logs.file_retention import FileRetention


@dataclass(frozen=True, slots=True)
class Tms:
    """The parts of a running TMS that the entry point and tests use."""

    pool: Pool
    watch: LogWatch
    sweep: ClusterSweep


@asynccontextmanager
async def run_tms(settings: TmsSettings) -> AsyncIterator[Tms]:
    """Run TMS during the block. The block begins as soon as this TMS has the lock of its directory, and the pool and
    the broker answer.
    """
    async with AsyncExitStack() as stack:
        # Serve health checks from the beginning: a TMS that waits for another TMS is alive but not ready.
        checks: dict[str, Check] = {"lock": _refuse_while_locked}
        await stack.enter_async_context(
            serve_routes(
                health_routes(checks),
                host=settings.http_host,
                port=settings.http_port,
                certificate=settings.certificate,
            )
        )
        home = TmsDirectory(settings.tms_dir)
        epoch = await home.acquire_lock()
        stack.callback(home.release_lock)

        checks["start"] = _refuse_while_starting
        del checks["lock"]
        pool = _build_pool(settings)
        checks["pool"] = pool.ping
        await call_until_there(pool.start, missing=Unavailable, waiting_for="the pool", wait_s=None, cap_s=5.0)
        stack.push_async_callback(pool.stop)

        source = f"ewms/tms/{settings.schedd}"
        bus = await Bus.connect(
            settings.control_amqp_url.get_secret_value(), service=tms_service(settings.schedd), source=source
        )
        stack.push_async_callback(bus.close)

        voice = Reporter(bus, clock=utc_now)
        watch = LogWatch(
            home,
            voice,
            schedd=settings.schedd,
            epoch=epoch,
            # The local pool appends each run's output to that of the runs before.
            keeps_output=settings.pool is PoolKind.CONDOR,
        )
        await watch.follow_all()
        await stack.enter_async_context(_run_beside(watch.run(), "watch", stop=watch.ask_to_stop))

        turns, ended = Turns(), StoppedTaskforces()
        renewal = TokenRenewal(home=home, bus=bus, watch=watch, turns=turns, ended=ended, clock=voice.now)
        await renewal.take_up_followed()
        starter = Starter(
            schedd=settings.schedd,
            pool=pool,
            pool_profile=settings.pool_profile,
            pilot_profile=settings.pilot_profile,
            input_files=InputFiles(
                settings.input_roots, forbidden=settings.kept_directories, max_bytes=settings.input_max_bytes
            ),
            home=home,
            bus=bus,
            voice=voice,
            watch=watch,
            renewal=renewal,
            turns=turns,
            ended=ended,
        )
        stopper = Stopper(pool=pool, voice=voice, watch=watch, turns=turns, ended=ended)
        sweep = ClusterSweep(
            pool=pool,
            starter=starter,
            watch=watch,
            turns=turns,
            ended=ended,
            keeper=FileRetention(home, settings.ages, max_log_bytes=settings.worker_logs_max_bytes or None),
            tidy_interval_s=settings.tidy_interval_s,
        )
        stack.push_async_callback(bus.drain)
        await bus.answer(WorkerLogDesk(home).answer_question)
        await bus.consume(WmsRequests(starter, stopper).build_table())
        await stack.enter_async_context(_run_beside(sweep.run(), "sweep"))
        await stack.enter_async_context(_run_beside(renewal.run(), "renewal"))
        await stack.enter_async_context(_run_beside(UnmatchedWatch(pool, watch).run(), "matching"))
        await stack.enter_async_context(_run_beside(Judge(pool, watch).run(), "bad workers"))
        await stack.enter_async_context(_run_beside(ForcedRemoval(pool=pool, watch=watch).run(), "forced removals"))

        checks["control"] = bus.ping
        del checks["start"]
        log.info("ready", schedd=settings.schedd, pool=settings.pool, epoch=epoch)
        yield Tms(pool, watch, sweep)


async def _refuse_while_locked() -> None:
    raise Unavailable("another TMS works in this directory; this one waits for its end")


def _build_pool(settings: TmsSettings) -> Pool:
    match settings.pool:
        case PoolKind.LOCAL:
            return LocalPool(
                settings.tms_dir / "local-pool",
                n_slots=settings.local_slots,
                first_account=settings.local_first_account,
                holder=settings.local_holder,
            )
        case PoolKind.CONDOR:
            name = settings.schedd if settings.condor_schedd is None else settings.condor_schedd
            return CondorPool(schedd=name, collector=settings.collector, timeout_s=settings.condor_timeout_s)


@asynccontextmanager
async def _run_beside(
    loop: Coroutine[Any, Any, None], name: str, *, stop: Callable[[], None] | None = None
) -> AsyncIterator[None]:
    """Run `loop` during the block. Afterwards call `stop` and wait for the loop; without `stop`, cancel the loop."""
    task = asyncio.create_task(loop, name=name)
    try:
        yield
    finally:
        if stop:
            stop()
        else:
            task.cancel()
        await asyncio.wait([task])


async def _refuse_while_starting() -> None:
    raise Unavailable("TMS is starting")
