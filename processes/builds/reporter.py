"""Send the log and the progress of a build to WMS while it runs. A lost report changes nothing but what people see.

A thread sends, so that a slow gateway delays no build.
"""

import secrets
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx2
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from processes.builds.log_pieces import LogPieces
from runtime.hosts.certificates import find_http_options
from runtime.telemetry import log
from schemas.automation.builds import REPORT_TOKEN_HEADER, BuildReport, BuildStage, LocationSync

_EVERY_S = 1.0
_TIMEOUT_S = 10.0
_N_ATTEMPTS = 4
#: The step ends so many seconds after its work at the latest, whether its last reports have arrived or not.
_END_S = 15.0
_NOT_WANTED = (404, 409)
_TOO_MANY, _SERVER_ERRORS = 429, 500


class BuildReporter:
    """Reports one call of a step. Without an address it reports nothing. `listen` gets the log, too."""

    def __init__(
        self,
        address: str,
        token: str,
        stage: BuildStage,
        *,
        max_log_bytes: int,
        listen: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self._address = address
        self._headers = {REPORT_TOKEN_HEADER: token}
        self._stage = stage
        self._listen = listen
        self._stream = secrets.token_hex(16)
        self._number = 0
        self._pieces = LogPieces(max_log_bytes)
        self._locations: dict[str, LocationSync] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._is_wanted = bool(address)
        self._thread = threading.Thread(target=self._send_repeatedly, name="build reports", daemon=True)

    def __enter__(self) -> Self:
        if self._is_wanted:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.take_output(f"{error}\n".encode())
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)
            self._is_wanted = False

    def take_output(self, chunk: bytes) -> None:
        """Add `chunk` to the log."""
        self._listen(chunk)
        if not self._is_wanted:
            return
        with self._lock:
            self._pieces.add_bytes(chunk)

    def take_location(self, name: str, state: LocationSync) -> None:
        """Report the new `state` of the location `name`."""
        with self._lock:
            self._locations[name] = state

    def _send_repeatedly(self) -> None:
        with httpx2.Client(timeout=_TIMEOUT_S, **find_http_options(self._address)) as client:
            is_over = False
            while not is_over and self._is_wanted:
                is_over = self._over.wait(_EVERY_S)
                while self._is_wanted and (report := self._take_report()) is not None:
                    has_arrived = self._send_report(client, report)
                    # While the build runs, the gateway may come back. At the end, one lost report is enough.
                    if not (is_over and has_arrived):
                        break

    def _take_report(self) -> BuildReport | None:
        with self._lock:
            text, locations = self._pieces.take_piece(is_last=self._over.is_set()), self._locations
            self._locations = {}
        # The first report says that the stage began.
        if self._number and not text and not locations:
            return None
        report = BuildReport(stream=self._stream, number=self._number, stage=self._stage, log=text, locations=locations)
        self._number += 1
        return report

    def _send_report(self, client: httpx2.Client, report: BuildReport) -> bool:
        """Send `report`, and return whether it arrived."""
        policy = Retrying(
            retry=retry_if_exception(_may_pass),
            wait=wait_random_exponential(multiplier=0.5, max=5.0),
            stop=stop_after_attempt(_N_ATTEMPTS),
            reraise=True,
        )
        body = report.model_dump_json()
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            policy(self._post_once, client, body, headers)
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("a build's report is lost", reason=type(error).__name__, stage=self._stage)
            return False
        return True

    def _post_once(self, client: httpx2.Client, body: str, headers: dict[str, str]) -> None:
        answer = client.post(self._address, content=body, headers=headers)
        if answer.status_code in _NOT_WANTED:
            self._is_wanted = False
            return
        answer.raise_for_status()


def _may_pass(error: BaseException) -> bool:
    """Return whether a repetition of the request may succeed: no connection, 429, 5xx."""
    if isinstance(error, httpx2.HTTPStatusError):
        status = error.response.status_code
        return status == _TOO_MANY or status >= _SERVER_ERRORS
    return isinstance(error, httpx2.TransportError)
