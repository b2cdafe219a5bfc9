"""The chain as DBOS runs it, in the peers' environment: start chains here, one line of stdin for each group.

    python -m tests.bench.peers.dbos_chain <name of this process>          reads lines `<name> <chains> <steps>`

DBOS keeps what each step returns in the database of `BENCH_DATABASE`, and calls no step again that has returned.
"""

import os
import sys

from dbos import DBOS, DBOSConfig

from tests.bench.peers.chain_trace import carry, make_payload


@DBOS.step()
def carry_on(name: str, payload: str) -> str:
    return carry(name, payload)


@DBOS.workflow()
def run_chain(name: str, n_steps: int) -> None:
    payload = make_payload()
    for _ in range(n_steps):
        payload = carry_on(name, payload)


def main() -> None:
    """Start the chains of each line."""
    config = DBOSConfig(
        name="chain",
        system_database_url=os.environ["BENCH_DATABASE"],
        executor_id=sys.argv[1],
        log_level="WARNING",
    )
    DBOS(config=config)
    DBOS.launch()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        name, n_chains, n_steps = line.split()
        for number in range(int(n_chains)):
            DBOS.start_workflow(run_chain, f"{name}-{sys.argv[1]}-{number}", int(n_steps))
    DBOS.destroy()


if __name__ == "__main__":
    main()
