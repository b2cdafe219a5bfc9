"""The base class of models that a process may import and never use."""

from pydantic import BaseModel, ConfigDict


class LazyModel(BaseModel):
    """A model whose validator pydantic builds at its first use, not at its definition.

    A process uses few of the models that it imports. Without this, building all of them took a sixth of the CPU of a
    start. Threads may use a model for the first time at once: pydantic builds it under a lock.
    """

    model_config = ConfigDict(defer_build=True)
