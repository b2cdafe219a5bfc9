"""The ledger of the crash campaign of jobs: it notes each run of a task, before the task goes on."""

import socketserver
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

#: What a task of the campaign runs: it tells the ledger its job, its name, its host and its secret, then it works.
SCRIPT = """
import json, os, socket, sys, time
payload = json.loads(sys.argv[-1])
with open(os.environ["EWMS_TASK_SECRETS_DIR"] + "/pin") as file:
    words = (str(payload["seed"]), sys.argv[1], payload["host"]["name"], file.read())
with socket.create_connection(("127.0.0.1", payload["port"]), 30) as ledger:
    ledger.sendall((" ".join(words) + "\\n").encode())
    assert ledger.recv(1) == b"."
time.sleep(payload["takes_s"])
"""


class JobLedger:
    """The runs of tasks, by the seed of their job."""

    def __init__(self) -> None:
        #: Seed -> (task, host) of each run.
        self.runs: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.secrets: set[str] = set()
        self.port = 0

    def note_run(self, line: str) -> None:
        """Note what a task has told."""
        seed, task, host, secret = line.split()
        self.runs[int(seed)].append((task, host))
        self.secrets.add(secret)


@contextmanager
def serve_ledger() -> Iterator[JobLedger]:
    """Take in what tasks tell, for the block."""
    ledger = JobLedger()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if line := self.rfile.readline():
                ledger.note_run(line.decode())
                self.wfile.write(b".")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        ledger.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ledger
        server.shutdown()
