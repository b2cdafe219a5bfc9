"""The user of a system that is destroyed: sends events through one workflow, and notes what was promised and given."""

import time
from collections import Counter
from dataclasses import dataclass, field

from ewms import Client, EWMSError
from ewms.client import Run
from schemas.fleet.endings import Completion
from tests.integration.deploy.restarted_runs import copying_workflow
from tests.waiting import holds_within

#: How long a result may take, also while services come back.
PATIENCE_S = 240.0
#: How long the task takes for one event: long enough that events lie in the queues while the system is destroyed.
_TASK_S = 0.3


@dataclass
class DisasterUser:
    """A workflow and its events."""

    run: Run
    confirmed: set[str] = field(default_factory=set)
    received: Counter[str] = field(default_factory=Counter)

    @classmethod
    def submit(cls, client: Client, cluster: str) -> "DisasterUser":
        """Request a workflow that gives each event back."""
        return cls(client.submit(copying_workflow(cluster, seconds=_TASK_S)))

    def publish(self, n: int) -> None:
        """Publish `n` more events, and return when the broker has confirmed them."""
        first = len(self.confirmed)
        numbers = [str(number) for number in range(first, first + n)]
        with self.run.queue("in").publisher() as publisher:
            for number in numbers:
                publisher.send(number)
        self.confirmed.update(numbers)

    def take(self, wanted: set[str] | int) -> set[str]:
        """Take results until those of `wanted`, or so many different ones, are there. Return what is missing then."""
        deadline = time.monotonic() + PATIENCE_S
        while missing := self._find_missing(wanted):
            if time.monotonic() > deadline:
                return missing
            try:
                # A result may come a second time when an older copy of the broker is back, and it counts again then.
                for event in self.run.queue("out").results(idle_timeout=3, remember=False):
                    self.received[str(event.body)] += 1
                    if not self._find_missing(wanted):
                        break
            except EWMSError:
                time.sleep(0.5)
        return set()

    def forget(self) -> set[str]:
        """Return the events whose results are here, and begin to count anew."""
        before = set(self.received)
        self.received.clear()
        return before

    def await_completion(self) -> str:
        """Close the inputs, and return why the workflow is not done soon, whether or not workers are left; "" if it
        is.
        """
        self.run.close_inputs()
        if holds_within(lambda: self._find_completion() is not None, PATIENCE_S, pause_s=1.0):
            found = self._find_completion()
            return "" if found is Completion.DONE else f"{self.run.id} ended as {found}"
        return f"{self.run.id} does not end by itself"

    def _find_completion(self) -> Completion | None:
        ending = self.run.ending()
        return ending.completion if ending is not None else None

    def end(self) -> str:
        """Close the inputs, and return why the workflow did not end well; "" if it did."""
        try:
            self.run.close_inputs()
            outcome = self.run.wait("over", timeout=PATIENCE_S)
        except EWMSError as error:
            return f"{self.run.id} is not over: {error.reason}"
        return "" if outcome.word == "done" else f"{self.run.id} ended as {outcome.word}, {outcome.n_dead} dead letters"

    def _find_missing(self, wanted: set[str] | int) -> set[str]:
        if isinstance(wanted, int):
            n_missing = wanted - len(self.received)
            return {f"{n_missing} more"} if n_missing > 0 else set()
        return wanted - set(self.received)
