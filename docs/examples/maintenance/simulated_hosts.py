"""Simulated hosts for the maintenance: one HTTP server, in which each host is a record.

POST /HOST/STEP     do a step; 409 if it is not the host's turn for it, 500 if the host was told to fail there
GET /               what every host has done: {host: [step, ...]}

python3 simulated_hosts.py 8123 --fails host-07=reboot host-01 host-02 ...
"""

import argparse
import json
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STEPS = (
    "disable-compute",
    "migrate-instances",
    "pre-checks",
    "disable-monitoring",
    "patch",
    "reboot",
    "post-checks",
    "enable-monitoring",
    "enable-compute",
)


class SimulatedHosts:
    """Hosts that remember what they have done."""

    def __init__(self, names: Iterable[str], fails: Mapping[str, str]) -> None:
        """`fails` has the step at which a host fails, by its name."""
        self.done: dict[str, list[str]] = {name: [] for name in names}
        self._fails = dict(fails)
        self._lock = threading.Lock()

    def do_step(self, name: str, step: str) -> tuple[int, str]:
        """Do a step on a host; return the HTTP status and a text."""
        with self._lock:
            if name not in self.done:
                return 404, f"there is no host {name}"
            done = self.done[name]
            done.append(step)
            if self._fails.get(name) == step:
                return 500, f"{step}: the host does not come back"
            turn = STEPS[len(done) - 1] if len(done) <= len(STEPS) else "nothing more"
            if step != turn:
                return 409, f"{step}: it was the turn of {turn}"
            return 200, f"{name} has done {step}"


def make_server(hosts: SimulatedHosts, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of these hosts on the loopback address; port 0 means any free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            _, name, step = f"{self.path}//".split("/")[:3]
            self._answer(*hosts.do_step(name, step))

        def do_GET(self) -> None:
            self._answer(200, json.dumps(hosts.done))

        def _answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Serve hosts until somebody interrupts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("hosts", nargs="+", metavar="HOST")
    parser.add_argument("--fails", action="append", default=[], metavar="HOST=STEP", help="at which step a host fails")
    given = parser.parse_args()
    fails = dict(each.split("=", 1) for each in given.fails)
    make_server(SimulatedHosts(given.hosts, fails), given.port).serve_forever()


if __name__ == "__main__":
    main()
