"""Copy the renewed token to a pilot that cannot read TMS's files. TMS does not trust the pilot's directory."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from runtime.concurrency.loops import BackgroundLoop

#: How often TMS looks for a renewed token: often enough for tokens that live for some seconds.
_LOOK_S = 1.0


@asynccontextmanager
async def keep_token_new(source: Path, directory: Path, account: int | None) -> AsyncIterator[None]:
    """During the block, keep a current copy of the file `source` in `directory`.

    The user `account` owns the copy. If `account` is None, TMS's own user does.
    """
    brought = b""

    async def deliver_token() -> None:
        nonlocal brought
        # Either the taskforce has ended and its token is gone, or the disk is full for now.
        with suppress(OSError):
            token = await asyncio.to_thread(source.read_bytes)
            if token != brought:
                await asyncio.to_thread(replace_token, directory, source.name, token, account)
                brought = token

    loop = BackgroundLoop(
        deliver_token,
        name="token delivery",
        failed="a pilot's token was not renewed",
        every_s=_LOOK_S,
        details=lambda: {"file": str(source)},
    )
    loop.start()
    try:
        yield
    finally:
        await loop.stop()


def replace_token(directory: Path, name: str, token: bytes, account: int | None) -> None:
    """Write `token` to the file `name` in `directory`. Readers see the old file or the new file, never a part.

    Follow no symbolic links, because another account owns the directory. If `account` is given, this user owns the new
    file.
    """
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        partial = f".{name}.{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(partial, flags, 0o600, dir_fd=opened), "wb") as file:
                file.write(token)
                if account is not None:
                    os.fchown(file.fileno(), account, account)
            os.rename(partial, name, src_dir_fd=opened, dst_dir_fd=opened)
        except OSError:
            # A task may have made a directory of that name. Without this, each try would leave one more file.
            with suppress(OSError):
                os.unlink(partial, dir_fd=opened)
            raise
    finally:
        os.close(opened)
