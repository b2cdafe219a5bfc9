"""`python -m deploy.local prepare|services`: fill the cache; run the servers alone until Ctrl-C."""

import json
import os
import signal
import sys
from threading import Event

from rich.console import Console

from deploy.local.cache import cache_directory, prepare
from deploy.local.errors import LaunchError
from deploy.local.prerequisites import check_machine
from deploy.local.services import run_directory, running


def main() -> int:
    """Run the verb of the command line; the exit status."""
    console = Console(stderr=True)
    try:
        check_machine()
        installed = prepare(cache_directory(os.environ), console, mirror=os.environ.get("EWMS_DEBIAN_MIRROR"))
        if sys.argv[1:] == ["services"]:
            stop = Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            with run_directory() as run, running(installed, run) as servers:
                users = servers.rabbitmq.users
                facts = {
                    "EWMS_MONGO_URL": servers.mongodb.url,
                    "control": {user: servers.rabbitmq.control_url(user) for user in users},
                    "EWMS_DATA_AMQP_URL": servers.rabbitmq.data_url,
                    "EWMS_RABBITMQ_API_URL": servers.rabbitmq.api_url,
                    "admin": servers.rabbitmq.management_url("admin"),
                    "EWMS_BROKER_ADDRESS": servers.rabbitmq.address,
                    "EWMS_BROKER_KEY_FILE": str(servers.rabbitmq.key_files.private),
                    "EWMS_BROKER_PUBLIC_KEY_FILE": str(servers.rabbitmq.key_files.public),
                    "CONDOR_CONFIG": str(servers.condor and servers.condor.config),
                    "jwks_url": servers.rabbitmq.jwks_url,
                }
                sys.stdout.write(json.dumps(facts, indent=1) + "\n")
                sys.stdout.flush()
                stop.wait()
    except LaunchError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
