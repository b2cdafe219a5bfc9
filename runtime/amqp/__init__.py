"""RabbitMQ: connect and stay connected, renew the token, publish with confirms, consume.

Every process uses this package, also the pilot and the user's client. So it imports only aio-pika and those modules of
`schemas` that need no pydantic. aio-pika opens the connections. We declare queues and exchanges over aio-pika's lower
layer (channels of aiormq), and send and read events as frames of our own (`runtime.amqp.wire`).
"""

import logging

from runtime.amqp.address import broker_url
from runtime.amqp.backoff import full_jitter
from runtime.amqp.connection import Connection
from runtime.amqp.consumer import Consumer
from runtime.amqp.delivery import Delivery
from runtime.amqp.errors import (
    AccessRefused,
    CertificateRefused,
    ConnectionLost,
    NoLeader,
    NotDeclared,
    QueueFull,
    Unroutable,
)
from runtime.amqp.publisher import ConfirmedPublisher
from runtime.amqp.wire.properties import EventProperties

# In a program that sets up no logging, Python prints the errors of every library. These print a traceback for each lost
# connection, which we report ourselves in one line.
for _library in ("aiormq", "aio_pika"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

__all__ = [
    "AccessRefused",
    "CertificateRefused",
    "ConfirmedPublisher",
    "Connection",
    "ConnectionLost",
    "Consumer",
    "Delivery",
    "EventProperties",
    "NoLeader",
    "NotDeclared",
    "QueueFull",
    "Unroutable",
    "broker_url",
    "full_jitter",
]
