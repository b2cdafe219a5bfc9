"""Run a module of this package as a process of its own, for one order, with a limit of time."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from schemas.errors import EWMSError

_MAX_ANSWER = 4 * 2**20


class ChildFailed(EWMSError):
    """The child process was too slow, or ended without an answer."""


async def ask_child(module: str, order: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """Run the Python module `module` in a new process with the JSON object `order`, and return the JSON object that it
    answers.

    The process has no environment variable of WMS, so it knows no secrets of WMS except those in `order`.

    Raises:
        ChildFailed: the process took longer than `timeout_s` seconds, or died.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        env={"PYTHONPATH": ":".join(each for each in sys.path if each)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_MAX_ANSWER,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_s):
            written, _ = await process.communicate(json.dumps(order).encode())
    except TimeoutError:
        raise ChildFailed(f"it took longer than {timeout_s:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ChildFailed("it used too much time or memory, or ended with an error")
    answer: dict[str, Any] = json.loads(written)
    return answer
