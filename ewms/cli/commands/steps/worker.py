"""`ewms worker`: call the functions of step lists."""

import logging
from typing import Annotated, Literal

import typer

from ewms.errors import Unreachable

Modules = Annotated[list[str], typer.Option(help="A module that defines workflows; repeat it for more.")]
Pool = Annotated[str, typer.Option(help="The pool whose steps it takes.")]
Alias = Annotated[
    Literal["orchestrator"] | None,
    typer.Option(help="Run packages unchanged that import step lists from this package: they get those of EWMS."),
]
Slots = Annotated[int, typer.Option(min=1, max=1000, help="How many steps run at once.")]


def run_step_worker(module: Modules, pool: Pool = "default", slots: Slots = 8, alias: Alias = None) -> None:
    """Call the functions of step lists, until Ctrl-C.

    EWMS_CONTROL_AMQP_URL is the broker's address with the pool's own user; without it, the address that `make up` has
    written for the pool. Status 2: no address is known, a module cannot be imported, or two define the same name.
    """
    from pydantic import SecretStr

    from ewms.gateway.server import find_pool_address

    address = find_pool_address(pool)
    try:
        from ewms.worker.__main__ import run_until_told
    except ImportError as error:
        raise Unreachable(
            f"the step worker is not installed here ({error.name} is missing)", hint="pip install 'ewms[worker]'"
        ) from error
    # A service says by its log lines what happens; the command has silenced them for all other commands.
    logging.disable(logging.NOTSET)
    run_until_told(
        control_amqp_url=SecretStr(address),
        worker_modules=tuple(module),
        worker_pool=pool,
        worker_slots=slots,
        worker_alias=alias or "",
    )
