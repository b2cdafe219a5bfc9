"""The errors between TMS and a pool. The base class of each tells who must act (`schemas/errors.py`). (core)"""

from schemas.errors import Conflict, Rejected, Unavailable


class PoolUnavailable(Unavailable):
    """The schedd or the local pool does not answer. The same call succeeds when the pool is back."""


class SubmitRefused(Rejected):
    """The pool refused the submit description."""


class ReleaseRefused(Rejected):
    """The pool refused to release the cluster."""


class RemoveRefused(Rejected):
    """The pool refused to remove the cluster."""


class ClusterGone(Conflict):
    """The cluster has left the queue."""

    def __init__(self, cluster_id: int) -> None:
        super().__init__(f"cluster {cluster_id} is not in the queue")
        self.cluster_id = cluster_id


class Unsubmittable(Rejected):
    """The taskforce asks for something that TMS refuses to submit."""
