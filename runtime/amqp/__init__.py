"""RabbitMQ: connect and stay connected, renew the token, publish with confirms, consume by push.

Every process uses it, the pilot and the user's client included, so it imports aio-pika and the plain half of `schemas`,
nothing else. aio-pika opens the connections. Topology and events go over aio-pika's own lower layer (aiormq channels),
which costs half the time an event.
"""

from runtime.amqp.address import broker_url
from runtime.amqp.backoff import full_jitter
from runtime.amqp.connection import Connection
from runtime.amqp.consumer import Consumer
from runtime.amqp.delivery import Delivery
from runtime.amqp.errors import AccessRefused, ConnectionLost, NotDeclared, QueueFull, Unroutable
from runtime.amqp.publisher import ConfirmedPublisher, event_properties

__all__ = [
    "AccessRefused",
    "ConfirmedPublisher",
    "Connection",
    "ConnectionLost",
    "Consumer",
    "Delivery",
    "NotDeclared",
    "QueueFull",
    "Unroutable",
    "broker_url",
    "event_properties",
    "full_jitter",
]
