"""Decide when a subscription has failed for good: the broker is away for too long, or refuses it again and again."""

import asyncio
from collections.abc import Callable

from ewms.errors import Unreachable
from schemas.errors import EWMSError

#: After this many refusals, each within 60 s of the one before, we assume that the queue is gone.
_MAX_REFUSALS = 5
_REFUSALS_WITHIN_S = 60.0


class SubscriptionTrouble:
    """The problems of one subscription since its last delivery.

    `notify` is called with a sentence when the connection is lost or is back. `wake` is called when `failure` may have
    changed. `away_timeout_s` is how many seconds the broker may be away; None means without a limit.
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
        """The error that ends the loop. It is None as long as the subscription may still work."""
        return self._refusal if self._n_refusals >= _MAX_REFUSALS else None

    def note_delivery(self) -> None:
        """Note that an event has come, so the subscription works."""
        self._n_refusals = 0

    def note_lost(self, reason: EWMSError) -> None:
        """Note that the connection is lost. After `away_timeout_s` without a connection, the subscription has
        failed.
        """
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

        A broker that is starting may refuse it once. Several refusals in a row mean that the queue does not exist any
        more.
        """
        now_s = asyncio.get_running_loop().time()
        self._n_refusals = self._n_refusals + 1 if now_s - self._refused_at_s < _REFUSALS_WITHIN_S else 1
        self._refused_at_s = now_s
        self._refusal = error
        self._wake()

    def stop_timer(self) -> None:
        """Cancel the timer that `note_lost` has started."""
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
