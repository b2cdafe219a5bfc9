"""Count the calls of the database that this process makes."""

from collections import Counter
from typing import Any

from pymongo import monitoring


class CallCounter(monitoring.CommandListener):
    """Counts calls by command and collection, such as `update runs`. Give it to a client, or register it for all."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count a call."""
        target: Any = event.command.get(event.command_name)
        self.calls[f"{event.command_name} {target}" if isinstance(target, str) else event.command_name] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing: the call is counted."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing: the call is counted."""
