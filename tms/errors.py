"""What can go wrong between TMS and a pool, by who must act. (core)"""

from schemas.errors import Conflict, Rejected, Unavailable


class PoolUnavailable(Unavailable):
    """The schedd (or the local pool) does not answer; the same call works once it is back."""


class SubmitRefused(Rejected):
    """The pool looked at the submit description and said no."""


class ReleaseRefused(Rejected):
    """The pool would not release the cluster."""


class RemoveRefused(Rejected):
    """The pool would not remove the cluster."""


class ClusterGone(Conflict):
    """The cluster has left the queue."""

    def __init__(self, cluster_id: int) -> None:
        super().__init__(f"cluster {cluster_id} is not in the queue")
        self.cluster_id = cluster_id


class Unsubmittable(Rejected):
    """The taskforce asks for something that no submit description of ours will contain."""
