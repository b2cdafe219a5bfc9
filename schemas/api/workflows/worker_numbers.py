"""How many workers a task or a workflow has, by what they do."""

from schemas.fleet.objects import Object


class WorkerNumbers(Object):
    """How many workers there should be and are, by what they do. `n_taking` of the running ones take events."""

    n_wanted: int
    n_idle: int
    n_running: int
    n_taking: int
    n_held: int
    n_gone: int
