"""Write `.ewms/endpoints.json`: a running system's addresses and the user's token, for scripts and the client.

If the launcher is killed, a process of its own removes the file (`deploy.local.children.remover`). If that is killed,
too, the file stays, so the token in it lives for only one hour. A running launcher writes a new token every ten
minutes. So a script that reads the file can use the token for at least fifty minutes.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.children import remover
from deploy.local.files.lock_files import LOCK
from deploy.local.files.secret_files import replace_secret

ENDPOINTS = Path(".ewms") / "endpoints.json"

TOKEN_LIFE_S = 3600.0
RENEW_S = 600.0


@contextmanager
def publish_endpoints(
    facts: Callable[[], Mapping[str, Any]], file: Path = ENDPOINTS, *, renew_s: float = RENEW_S
) -> Iterator[Path]:
    """Write the result of `facts()` to `file` now and every `renew_s` seconds. Remove `file` at the end of the block,
    or of this process, which must hold the lock file beside `file`.
    """
    # Make the path absolute: the current folder may differ at a renewal.
    file = file.absolute()
    has_ended = threading.Event()
    turn = threading.Lock()

    def write_facts() -> None:
        with turn:
            if not has_ended.is_set():
                replace_secret(file, json.dumps(facts(), indent=1).encode())

    def renew_facts() -> None:
        while not has_ended.wait(renew_s):
            try:
                write_facts()
            except OSError:
                # The disk is full. The token in the file stays valid for some more renewals.
                continue

    arguments = [str(os.getpid()), str(file), str(file.parent / LOCK)]
    removing = subprocess.Popen([sys.executable, "-I", "-S", remover.__file__, *arguments], start_new_session=True)
    write_facts()
    renewing = threading.Thread(target=renew_facts, name="endpoints", daemon=True)
    renewing.start()
    try:
        yield file
    finally:
        has_ended.set()
        with turn:
            file.unlink(missing_ok=True)
        renewing.join()
        removing.terminate()
        removing.wait()
