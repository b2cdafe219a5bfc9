"""Judge when a subscription has failed for good: the broker is away for too long, or refuses it again and again."""

import asyncio
from collections.abc import Callable

from ewms.errors import Unreachable
from schemas.errors import EWMSError

#: After this many refusals, each within 60 s of the one before, we assume that the queue is gone.
_MAX_REFUSALS = 5
_REFUSALS_WITHIN_S = 60.0


class SubscriptionTrouble:
    """The troubles of one subscription since the last delivery.

    `notify` gets a sentence when the broker goes or is back. `wake` is called whenever `failure` may have come to be.
    The broker may be away for `away_timeout_s` seconds; None: for ever.
    """

    def __init__(
        self, away_timeout_s: float | None, *, notify: Callable[[str], None], wake: Callable[[], None]
    ) -> None:
        self._away_timeout_s = away_timeout_s
        self._notify = notify
        self._wake = wake
        self._refusal: EWMSError | None = None
        self._n_refusals = 0
        self._refused_at_s = 0.0
        self._giving_up: asyncio.TimerHandle | None = None

    @property
    def failure(self) -> EWMSError | None:
        """The error that ends the loop; None as long as there is hope."""
        return self._refusal if self._n_refusals >= _MAX_REFUSALS else None

    def note_delivery(self) -> None:
        """Note that the subscription works."""
        self._n_refusals = 0

    def note_lost(self, reason: EWMSError) -> None:
        """Note that the connection is lost; give up when the broker stays away."""
        self._notify(f"the connection to the broker is lost ({reason.reason}); trying again")
        if self._away_timeout_s is not None:
            self.stop_timer()
            self._giving_up = asyncio.get_running_loop().call_later(self._away_timeout_s, self._give_up, reason)

    def note_back(self) -> None:
        """Note that the broker is back."""
        self._notify("connected to the broker again")
        self.stop_timer()

    def note_refused(self, error: EWMSError) -> None:
        """Note that the broker refuses the subscription.

        A broker that is just coming up may refuse once. Several refusals in a row mean that the queue is gone.
        """
        now_s = asyncio.get_running_loop().time()
        self._n_refusals = self._n_refusals + 1 if now_s - self._refused_at_s < _REFUSALS_WITHIN_S else 1
        self._refused_at_s = now_s
        self._refusal = error
        self._wake()

    def stop_timer(self) -> None:
        """Stop waiting for the broker."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self, reason: EWMSError) -> None:
        self._refusal = Unreachable(
            f"the broker has been away for {self._away_timeout_s:g} s: {reason.reason}",
            hint="the queue still holds the events that you have not taken: consume again when the server is back",
        )
        self._n_refusals = _MAX_REFUSALS
        self._wake()
