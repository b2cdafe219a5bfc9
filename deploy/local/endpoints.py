"""`.ewms/endpoints.json`: where a running system is, and a token of the signed-in user, for scripts and the client.

A launcher that is killed leaves the file behind. So its token lives for an hour only. While the launcher runs it writes
a new one every ten minutes, and a script that reads the file has fifty minutes at least.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.secret_files import replace_secret

ENDPOINTS = Path(".ewms") / "endpoints.json"

TOKEN_LIFE_S = 3600.0
RENEW_S = 600.0


@contextmanager
def publish_endpoints(
    facts: Callable[[], Mapping[str, Any]], file: Path = ENDPOINTS, *, renew_s: float = RENEW_S
) -> Iterator[Path]:
    """Keep `file` during the block: it holds what `facts` returns, and is written anew every `renew_s` seconds."""
    # The folder may be another one by the time of a renewal.
    file = file.absolute()
    has_ended = threading.Event()
    turn = threading.Lock()

    def write() -> None:
        with turn:
            if not has_ended.is_set():
                replace_secret(file, json.dumps(facts(), indent=1).encode())

    def renew() -> None:
        while not has_ended.wait(renew_s):
            try:
                write()
            except OSError:
                # A full disk: the token that is there is good for some renewals more.
                continue

    write()
    renewing = threading.Thread(target=renew, name="endpoints", daemon=True)
    renewing.start()
    try:
        yield file
    finally:
        has_ended.set()
        with turn:
            file.unlink(missing_ok=True)
        renewing.join()
