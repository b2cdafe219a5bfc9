"""Reports of a build reach a real HTTP server, and their loss harms no build."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from processes.builds.reporter import BuildReporter
from schemas.automation.builds import REPORT_TOKEN_HEADER, BuildReport, BuildStage, LocationSync, SyncState


class Gateway:
    """A server that keeps what it gets, and answers with `status`."""

    def __init__(self) -> None:
        self.reports: list[BuildReport] = []
        self.tokens: set[str] = set()
        self.statuses: list[int] = []
        gateway = self

        class Route(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                gateway.reports.append(BuildReport.model_validate_json(body))
                gateway.tokens.add(self.headers[REPORT_TOKEN_HEADER])
                self.send_response(gateway.statuses.pop(0) if gateway.statuses else 204)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Route)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/reports"

    def stop(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    yield server
    server.stop()


def test_c32_the_log_and_the_locations_arrive_in_order(gateway: Gateway) -> None:
    with BuildReporter(gateway.address, "the-token", BuildStage.SYNC, max_log_bytes=1 << 20) as reporter:
        for n in range(3):
            reporter.take_output(f"line {n}\n".encode())
        reporter.take_location("north", LocationSync(state=SyncState.COPYING))
        reporter.take_output("grüße\n".encode()[:4])
        reporter.take_output("grüße\n".encode()[4:])
    assert "".join(report.log for report in gateway.reports) == "line 0\nline 1\nline 2\ngrüße\n"
    assert [report.number for report in gateway.reports] == list(range(len(gateway.reports)))
    assert {report.stage for report in gateway.reports} == {BuildStage.SYNC}
    assert gateway.tokens == {"the-token"}
    assert [report.locations for report in gateway.reports if report.locations] == [
        {"north": LocationSync(state=SyncState.COPYING)}
    ]


def test_the_reason_of_a_failure_ends_the_log(gateway: Gateway) -> None:
    def fail() -> None:
        with BuildReporter(gateway.address, "t", BuildStage.BUILD, max_log_bytes=1 << 20) as reporter:
            reporter.take_output(b"before\n")
            raise ValueError("because")

    with pytest.raises(ValueError, match="because"):
        fail()
    assert "".join(report.log for report in gateway.reports) == "before\nbecause\n"


def test_a_report_is_repeated_with_its_number_and_a_finished_build_gets_no_more(gateway: Gateway) -> None:
    gateway.statuses = [503, 204]
    with BuildReporter(gateway.address, "t", BuildStage.BUILD, max_log_bytes=1 << 20) as reporter:
        reporter.take_output(b"one\n")
    assert [(report.number, report.log) for report in gateway.reports] == [(0, "one\n"), (0, "one\n")]
    gateway.reports.clear()
    gateway.statuses = [409]
    with BuildReporter(gateway.address, "t", BuildStage.BUILD, max_log_bytes=1 << 20) as reporter:
        reporter.take_output(b"x" * 200_000)
    assert len(gateway.reports) == 1


def test_a_gateway_that_is_away_fails_no_build(gateway: Gateway) -> None:
    gateway.stop()
    with BuildReporter(gateway.address, "t", BuildStage.BUILD, max_log_bytes=1 << 20) as reporter:
        reporter.take_output(b"one\n")


def test_a_refused_report_is_not_repeated_and_the_last_lost_one_ends_the_reports(gateway: Gateway) -> None:
    gateway.statuses = [400] * 10
    with BuildReporter(gateway.address, "t", BuildStage.BUILD, max_log_bytes=1 << 20) as reporter:
        reporter.take_output(b"x" * 400_000)
    assert [report.number for report in gateway.reports] == [0]


def test_too_many_requests_is_repeated(gateway: Gateway) -> None:
    gateway.statuses = [429, 204]
    with BuildReporter(gateway.address, "t", BuildStage.BUILD, max_log_bytes=1 << 20) as reporter:
        reporter.take_output(b"one\n")
    assert [report.number for report in gateway.reports] == [0, 0]


def test_a_gateway_that_never_answers_delays_the_end_by_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.builds.reporter._END_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/reports"
        began_at = time.monotonic()
        with BuildReporter(address, "t", BuildStage.BUILD, max_log_bytes=1 << 20) as reporter:
            reporter.take_output(b"one\n")
        assert time.monotonic() - began_at < 8.0
