"""The settings of a step worker, read from the environment."""

from typing import Annotated

from pydantic import Field

from runtime.settings import ServiceSettings


class WorkerSettings(ServiceSettings):
    """Settings of a step worker. `control_amqp_url` is that of its pool's own broker user."""

    #: The modules that define workflows. A package counts with the modules that it imports.
    worker_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    worker_pool: Annotated[str, Field(min_length=1, max_length=255)] = "default"
    #: The worker's own name; empty: host name and a random part.
    worker_name: str = ""
    #: How many steps run at once.
    worker_slots: Annotated[int, Field(ge=1, le=1000)] = 8
    #: How often it says that it is there.
    worker_alive_s: Annotated[float, Field(gt=0)] = 15.0
