"""The chain as Celery runs it, in the peers' environment. As a program: start chains, one line of stdin for each group.

    celery -A tests.bench.peers.celery_chain worker        the workers
    python -m tests.bench.peers.celery_chain               reads lines `<name> <chains> <steps>`

`BENCH_CELERY=careful` acknowledges a task after it has run, and waits for the broker's confirms, as our engine does.
Without that Celery acknowledges before, and a killed worker loses the chain. Neither stores anything but the messages.
"""

import os
import sys

from celery import Celery, chain

from tests.bench.peers.chain_trace import carry, make_payload

_is_careful = os.environ.get("BENCH_CELERY") == "careful"
_QUEUE = "chain-careful" if _is_careful else "chain"

app = Celery("chain", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_default_queue=_QUEUE,
    task_ignore_result=True,
    task_acks_late=_is_careful,
    broker_transport_options={"confirm_publish": _is_careful},
    worker_enable_remote_control=False,
    worker_send_task_events=False,
)


@app.task(name="carry_on")
def carry_on(state: list[str]) -> list[str]:
    name, payload = state
    return [name, carry(name, payload)]


def main() -> None:
    """Start the chains of each line."""
    for line in sys.stdin:
        name, n_chains, n_steps = line.split()
        for number in range(int(n_chains)):
            state = [f"{name}-{number}", make_payload()]
            chain(carry_on.s(state), *(carry_on.s() for _ in range(int(n_steps) - 1))).apply_async()


if __name__ == "__main__":
    main()
