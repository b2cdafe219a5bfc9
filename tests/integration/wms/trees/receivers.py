"""Receivers of notifications on loopback: an HTTP server and a mail server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any

from tests.waiting import eventually


@dataclass
class Hit:
    """One request to a webhook."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def id(self) -> str:
        """Return the id by which a receiver knows a notification again."""
        return self.headers["x-ewms-notification"]


@dataclass
class HookReceiver:
    """An HTTP server. `codes` are the statuses of its next answers; then it answers 200."""

    url: str = ""
    codes: list[int] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)

    async def until(self, n: int) -> list[Hit]:
        """Return the hits once there are `n`."""
        await eventually(lambda: len(self.hits) >= n)
        return self.hits

    @property
    def ids(self) -> list[str]:
        """Return the ids of the hits, each once, in the order in which they came first."""
        return list(dict.fromkeys(hit.id for hit in self.hits))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        method, path, _ = head[0].split()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.hits.append(Hit(method, path, headers, json.loads(body) if body else None))
        code = self.codes.pop(0) if self.codes else 200
        more = "Location: http://127.0.0.1:1/elsewhere\r\n" if 300 <= code < 400 else ""
        writer.write(f"HTTP/1.1 {code} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@dataclass
class Mail:
    """One mail, and the account that sent it."""

    sender: str
    recipients: list[str]
    message: Message
    login: str

    @property
    def text(self) -> str:
        """Return its text."""
        payload = self.message.get_payload(decode=True)
        assert isinstance(payload, bytes)
        return payload.decode().replace("\r\n", "\n")


@dataclass
class MailReceiver:
    """A mail server that takes every mail, except to the recipients in `refused`."""

    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    async def until(self, n: int) -> list[Mail]:
        """Return the mails once there are `n`."""
        await eventually(lambda: len(self.mails) >= n)
        return self.mails

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client."""
        sender, recipients, login = "", list[str](), ""
        writer.write(b"220 mail\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(" ")[0].upper()
            answer = "250 ok"
            if verb in ("EHLO", "HELO"):
                answer = "250-mail\r\n250 AUTH PLAIN"
            elif verb == "AUTH":
                login = line.split(" ")[2]
                answer = "235 in"
            elif verb == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
            elif verb == "RCPT":
                who = line.partition("<")[2].partition(">")[0]
                if who in self.refused:
                    answer = "550 nobody"
                else:
                    recipients.append(who)
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(Mail(sender, list(recipients), message_from_bytes(content[:-5]), login))
            elif verb == "QUIT":
                answer = "221 bye"
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
        writer.close()


@asynccontextmanager
async def receive_hooks() -> AsyncIterator[HookReceiver]:
    """Serve webhooks during the block."""
    receiver = HookReceiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        yield receiver


@asynccontextmanager
async def receive_mails() -> AsyncIterator[MailReceiver]:
    """Serve mail during the block."""
    receiver = MailReceiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
