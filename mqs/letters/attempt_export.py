"""Send the attempts of reports as spans of OpenTelemetry, if a collector is configured."""

import asyncio
from collections.abc import Iterable, Sequence

from mqs.letters.attempt_spans import describe_attempt, describe_failure
from runtime.kernel.decision import Document
from runtime.telemetry import counter, log
from runtime.telemetry.span_export import current_sender
from schemas.attempts.allowance import Allowance, take_one
from schemas.attempts.documents import FailedAttemptDocument
from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.finished_span import FinishedSpan
from schemas.ids import WorkflowId

_left_out = counter("mqs_failed_attempt_spans_left_out_total", "Failed attempts that are not sent as spans: too many.")


class AttemptSpanExport:
    """Sends attempts as spans. Whatever goes wrong here costs spans, and never a report."""

    def __init__(self) -> None:
        #: A task that fails everywhere must not take the place of all other spans.
        self._allowance = Allowance(burst=200, per_s=50)

    def export_attempts(self, *, failed: Sequence[Document], done: Iterable[Document]) -> None:
        """Send the attempts of stored reports. Leave out failed ones above the allowance."""
        if (sender := current_sender()) is None:
            return
        try:
            allowed = self._take_allowed(failed)
            sender.send_spans(span for document in allowed for span in _describe_failed(document))
            sender.send_spans(span for document in done for span in _describe_done(document))
        except Exception as error:  # noqa: BLE001 - a report holds any text, and the SDK has its own rules
            log.warning("attempts cannot be sent as spans", error=repr(error))

    def _take_allowed(self, failed: Sequence[Document]) -> Sequence[Document]:
        """Return the first of `failed` that the allowance has room for."""
        now_s = asyncio.get_running_loop().time()
        for n, _ in enumerate(failed):
            if (left := take_one(self._allowance, now_s)) is None:
                _left_out.inc(len(failed) - n)
                return failed[:n]
            self._allowance = left
        return failed


def _describe_failed(document: Document) -> Iterable[FinishedSpan]:
    return describe_failure(FailedAttemptDocument.model_validate(document))


def _describe_done(document: Document) -> Iterable[FinishedSpan]:
    return describe_attempt(WorkflowId(document["workflow_id"]), DoneAttempt.model_validate(document))
