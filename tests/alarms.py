"""A broker of one's own whose memory alarm a test can set off: RabbitMQ then stops reading from whoever publishes.

The launcher's broker has no port for `rabbitmqctl`, so this one looks itself whether a file is there.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from deploy.local.children.processes import LaunchedProcesses
from deploy.local.data_directory import throwaway_data
from deploy.local.fetch.cache import Installed
from deploy.local.ports import Ports
from deploy.local.run_directory import make_empty
from deploy.local.servers.broker import PORTS
from deploy.local.servers.rabbitmq import BrokerPlan, RabbitMQ

#: Erlang expressions; the broker runs them beside itself. Any use of memory is over a limit of 1 MB.
_LOOK = """\
spawn(fun() -> (fun Look(Was) ->
    timer:sleep(20),
    Is = filelib:is_file("{file}"),
    Limit = case Is of true -> {{absolute, 1000000}}; false -> 0.6 end,
    Done = Is =:= Was orelse (catch vm_memory_monitor:set_vm_memory_high_watermark(Limit)) =:= ok,
    Look(case Done of true -> Is; false -> Was end)
end)(false) end).
"""


class AlarmingRabbitMQ(RabbitMQ):
    """A RabbitMQ whose memory alarm is on while a file exists."""

    @property
    def _switch(self) -> Path:
        return self._home / "memory-alarm"

    @contextlib.contextmanager
    def alarm(self) -> Iterator[None]:
        """Have the alarm on for the block. Who publishes notices with the first event."""
        self._switch.touch()
        try:
            yield
        finally:
            self._switch.unlink(missing_ok=True)

    def _build_environment(self) -> dict[str, str]:
        script = self._home / "look.erl"
        script.write_text(_LOOK.format(file=self._switch))
        environment = super()._build_environment()
        # The start script splits at blanks, so the expressions come from a file.
        environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] += f' -eval file:eval("{script}").'
        return environment


@contextlib.contextmanager
def alarming_broker(installed: Installed, run: Path) -> Iterator[AlarmingRabbitMQ]:
    """Run such a broker below `run` for the block."""
    with LaunchedProcesses() as children:
        data = throwaway_data(make_empty(run / "data"))
        broker = AlarmingRabbitMQ(
            children,
            installed.broker,
            make_empty(run / "rabbitmq"),
            run / "logs" / "rabbitmq.log",
            BrokerPlan(schedds=()),
            ports=Ports().take_ports(PORTS),
            data=data.make_place("rabbitmq"),
            secrets=data.secrets,
        )
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()
