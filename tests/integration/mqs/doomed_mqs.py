"""An MQS that kills itself at a chosen point, for tests of what the next start heals."""

import os

from mqs.settings import MqsSettings
from tests.forked_processes import ForkedProcess, start_module


async def start_doomed_mqs(settings: MqsSettings, *, failpoint: str) -> ForkedProcess:
    """Start an MQS with `settings` as a process of its own. It kills itself at `failpoint`."""
    environment = {
        **os.environ,
        "EWMS_FAILPOINT": failpoint,
        "EWMS_MONGO_URL": settings.mongo_url.get_secret_value(),
        "EWMS_MONGO_DATABASE": settings.mongo_database,
        "EWMS_CONTROL_AMQP_URL": settings.control_amqp_url.get_secret_value(),
        "EWMS_DATA_AMQP_URL": settings.data_amqp_url.get_secret_value(),
        "EWMS_RABBITMQ_API_URL": settings.rabbitmq_api_url.get_secret_value(),
        "EWMS_BROKER_ADDRESS": settings.broker_address,
        "EWMS_BROKER_KEY_FILE": str(settings.broker_key_file),
        "EWMS_BROKER_PUBLIC_KEY_FILE": str(settings.broker_public_key_file),
        "EWMS_RETIRE_LOOK_S": str(settings.retire_look_s),
        "EWMS_RETIRE_UNUSED_S": str(settings.retire_unused_s),
        "EWMS_HTTP_PORT": "0",
    }
    return await start_module("mqs", environment=environment)
