"""The settings of a step worker, read from the environment."""

from typing import Annotated, Literal

from pydantic import Field

from runtime.settings import ServiceSettings


class WorkerSettings(ServiceSettings):
    """Settings of a step worker. `control_amqp_url` is the broker's address with the user of the worker's pool."""

    #: The modules that define workflows. A package brings the modules that it imports.
    worker_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    #: The package in whose place the modules get EWMS's step lists.
    worker_alias: Literal["", "orchestrator"] = ""
    worker_pool: Annotated[str, Field(min_length=1, max_length=255)] = "default"
    #: The worker's own name; empty: host name and a random part.
    worker_name: str = ""
    #: How many steps run at once.
    worker_slots: Annotated[int, Field(ge=1, le=1000)] = 8
    #: After how many seconds the worker reports again that it is there.
    worker_alive_s: Annotated[float, Field(gt=0)] = 15.0
    #: How many forms it evaluates at once, and for how long at most.
    worker_forms: Annotated[int, Field(ge=1, le=1000)] = 4
    worker_form_s: Annotated[float, Field(gt=0, le=60)] = 4.0
