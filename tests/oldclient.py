"""A message client as those in the field are: what it does to the broker is all that counts here.

Source: contract, section 6.
"""

import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import pika
import zstandard


class OldClient:
    """A blocking connection for one queue; the queue's token is the password."""

    def __init__(self, address: str, token: str, queue: str) -> None:
        parts = urlsplit(f"amqp://{address}")
        self._queue = queue
        self._connection = pika.BlockingConnection(
            pika.ConnectionParameters(
                host=parts.hostname,
                port=parts.port,
                virtual_host=parts.path.removeprefix("/") or "/",
                credentials=pika.PlainCredentials(parts.username, token),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._connection.is_open:
            self._connection.close()

    def channel(self) -> Any:
        """Open a channel, which declares the queue, however often it has been declared."""
        channel = self._connection.channel()
        channel.queue_declare(self._queue, durable=True, arguments={"x-queue-type": "quorum"})
        return channel

    def send(self, *data: Any) -> None:
        """Publish `data`, with confirms and without any property."""
        channel = self.channel()
        channel.confirm_delivery()
        for item in data:
            text = json.dumps({"headers": {}, "data": item}).encode()
            body = zstandard.ZstdCompressor(level=3).compress(text)
            channel.basic_publish(exchange="", routing_key=self._queue, body=body)
        channel.close()

    def receive(self, *, timeout_s: float, prefetch: int = 1, n: int = 0) -> Iterator[Any]:
        """Yield what comes, acknowledging each once the next is asked for.

        End after `n`, or when nothing comes for `timeout_s`.
        """
        channel = self.channel()
        channel.basic_qos(prefetch_count=prefetch, global_qos=False)
        for method, _, body in channel.consume(self._queue, inactivity_timeout=timeout_s):
            if method is None:
                break
            yield json.loads(zstandard.decompress(body))["data"]
            channel.basic_ack(method.delivery_tag)
            n -= 1
            if n == 0:
                break
        channel.cancel()
        channel.close()
