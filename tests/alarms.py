"""Brokers of one's own into which a test can reach: their memory alarm, or single queues that give no answer.

The launcher's broker has no port for `rabbitmqctl`, so these run an Erlang script, which looks whether a file is there.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

from deploy.local.children.processes import LaunchedProcesses
from deploy.local.choices.ports import Ports
from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import make_empty
from deploy.local.servers.broker import PORTS
from deploy.local.servers.rabbitmq import BrokerPlan, RabbitMQ
from deploy.local.system.data_directory import throwaway_data
from tests.waiting import wait_until

#: Erlang expressions; the broker runs them beside itself. Any use of memory is over a limit of 1 MB.
_ALARM = """\
spawn(fun() -> (fun Look(Was) ->
    timer:sleep(20),
    Is = filelib:is_file("{file}"),
    Limit = case Is of true -> {{absolute, 1000000}}; false -> 0.6 end,
    Done = Is =:= Was orelse (catch vm_memory_monitor:set_vm_memory_high_watermark(Limit)) =:= ok,
    Look(case Done of true -> Is; false -> Was end)
end)(false) end).
"""

#: The file has the processes of queues, one a line. A process that stands still looks to others like a lost leader.
_SILENCE = """\
spawn(fun() -> (fun Look(Was) ->
    timer:sleep(20),
    Is = case file:read_file("{file}") of {{ok, B}} -> string:lexemes(binary_to_list(B), "\\n"); _ -> [] end,
    [catch sys:suspend(list_to_atom(Name)) || Name <- Is -- Was],
    [catch sys:resume(list_to_atom(Name)) || Name <- Was -- Is],
    Is =:= Was orelse file:write_file("{file}.done", lists:join("\\n", Is)),
    Look(Is)
end)([]) end).
"""


class _ScriptedRabbitMQ(RabbitMQ):
    """A RabbitMQ that runs a script. `SCRIPT` looks at the file `_switch`."""

    SCRIPT: ClassVar[str]

    @property
    def _switch(self) -> Path:
        return self._home / "switch"

    def _build_environment(self) -> dict[str, str]:
        script = self._home / "look.erl"
        script.write_text(self.SCRIPT.format(file=self._switch))
        environment = super()._build_environment()
        # The start script splits at blanks, so the expressions come from a file.
        environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] += f' -eval file:eval("{script}").'
        return environment


class AlarmingRabbitMQ(_ScriptedRabbitMQ):
    """A RabbitMQ whose memory alarm is on while a file exists."""

    SCRIPT = _ALARM

    @contextlib.contextmanager
    def alarm(self) -> Iterator[None]:
        """Have the alarm on for the block. Who publishes notices with the first event."""
        self._switch.touch()
        try:
            yield
        finally:
            self._switch.unlink(missing_ok=True)


class SilentRabbitMQ(_ScriptedRabbitMQ):
    """A RabbitMQ whose queues a test can keep from answering."""

    SCRIPT = _SILENCE

    @contextlib.contextmanager
    def silence(self, vhost: str, *queues: str) -> Iterator[None]:
        """Have `queues` of `vhost` answer nobody for the block. A queue that is made anew meanwhile answers."""
        self._silence_only([f"{vhost}_{queue}" for queue in queues])
        try:
            yield
        finally:
            self._silence_only([])

    def _silence_only(self, names: list[str]) -> None:
        done = self._switch.with_name("switch.done")
        self._switch.write_text("\n".join(names))
        wait_until(lambda: done.exists() and done.read_text().split() == names)


Scripted = TypeVar("Scripted", bound=_ScriptedRabbitMQ)


@contextlib.contextmanager
def alarming_broker(installed: Installed, run: Path) -> Iterator[AlarmingRabbitMQ]:
    """Run a broker with an alarm below `run` for the block."""
    with _running(AlarmingRabbitMQ, installed, run, BrokerPlan(schedds=())) as broker:
        yield broker


@contextlib.contextmanager
def silent_broker(installed: Installed, run: Path, plan: BrokerPlan) -> Iterator[SilentRabbitMQ]:
    """Run a broker whose queues can be silenced below `run` for the block."""
    with _running(SilentRabbitMQ, installed, run, plan) as broker:
        yield broker


@contextlib.contextmanager
def _running(kind: type[Scripted], installed: Installed, run: Path, plan: BrokerPlan) -> Iterator[Scripted]:
    with LaunchedProcesses() as children:
        data = throwaway_data(make_empty(run / "data"))
        broker = kind(
            children,
            installed.broker,
            make_empty(run / "rabbitmq"),
            run / "logs" / "rabbitmq.log",
            plan,
            ports=Ports().take_ports(PORTS),
            data=data.make_place("rabbitmq"),
            secrets=data.secrets,
        )
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()
