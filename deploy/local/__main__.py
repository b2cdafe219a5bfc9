"""`python -m deploy.local up|down|prepare|services|containers|image`: the whole system, or parts of what it needs."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.children.processes import await_end
from deploy.local.choices.launch_options import read_launch_options
from deploy.local.choices.numbering import NODE_COUNTS
from deploy.local.errors import LaunchError, WrongUse
from deploy.local.fetch import packages
from deploy.local.fetch.on_demand import write_builder_programs, write_tree_path
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.mongo_accounts import ADMIN, list_databases
from deploy.local.system.down import down
from deploy.local.system.services import Services, running_services
from deploy.local.system.up import prepare_servers, say_notices, up
from deploy.local.tasks.task_image import build_image, say_how_to_use
from deploy.local.tasks.task_trial import TaskTrial
from schemas.errors import EWMSError, Rejected


def launch(words: Sequence[str]) -> int:
    """Run the command `words` of the `ewms` command, and return the exit status.

    The entry point group `ewms.launcher` names this function.

    Raises:
        Rejected: the arguments are wrong.
        EWMSError: this machine keeps the command from its work. `up` and `down` print that themselves.
    """
    try:
        return _run_command(words)
    except LaunchError as error:
        kind = Rejected if isinstance(error, WrongUse) else EWMSError
        log = f"; the log is {error.log}" if error.log is not None else ""
        raise kind(error.what, hint=f"{error.remedy}{log}") from error


def main(words: Sequence[str] | None = None) -> int:
    """Run the command `words` (None: the process's own arguments), and return the exit status."""
    try:
        return _run_command(words)
    except LaunchError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2 if isinstance(error, WrongUse) else 1


def _run_command(words: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up_verb = verbs.add_parser("up", help="start the whole system and keep it running until Ctrl-C")
    up_verb.add_argument(
        "--pool", choices=("condor", "local"), help="where pilots run (default: condor if HTCondor can run here)"
    )
    up_verb.add_argument(
        "--data",
        type=Path,
        metavar="DIRECTORY",
        help="the directory of workflows, events and keys: the next start continues with them "
        "(default: below ~/.local/state/ewms, one directory for each folder that you start in)",
    )
    up_verb.add_argument("--fresh", action="store_true", help="first delete the contents of the data directory")
    up_verb.add_argument(
        "--nodes",
        type=int,
        choices=NODE_COUNTS,
        help="nodes of RabbitMQ and of MongoDB; with 3, there are two of each service (default: as the data had)",
    )
    down_verb = verbs.add_parser("down", help="end the system that runs in this folder, and wait until it has ended")
    down_verb.add_argument(
        "--data", type=Path, metavar="DIRECTORY", help="end the one with this data directory instead, from any folder"
    )
    verbs.add_parser("prepare", help="fill the cache of servers, start nothing")
    verbs.add_parser("services", help="start only the servers, print their addresses as JSON, run until Ctrl-C")
    containers_verb = verbs.add_parser("containers", help="fetch apptainer and bubblewrap, and write down their path")
    containers_verb.add_argument("known", type=Path, help="the file to write the path of their tree into")
    builder_verb = verbs.add_parser("builder", help="fetch buildah, git and apptainer, and write down their paths")
    builder_verb.add_argument("known", type=Path, help="the file to write the paths of their trees into")
    image_verb = verbs.add_parser("image", help="make a task's image")
    image_verb.add_argument("source", type=Path, help="a directory, or a definition file")
    image_verb.add_argument("destination", type=Path, help="a name that ends in .sif is one file, else a directory")
    trial_verb = verbs.add_parser("try-task", help="build a catalogue task, and run it once")
    trial_verb.add_argument("directory", type=Path, help="the directory with the Dockerfile")
    trial_verb.add_argument("--command", default="", help="the task's command")
    trial_verb.add_argument("--payload", default="{}", help="the JSON that the command gets as its last argument")
    trial_verb.add_argument("--secret", action="append", default=[], help="NAME=FILE: a secret that the task gets")
    trial_verb.add_argument("--keep", type=Path, help="keep the image as this directory")
    arguments = parser.parse_args(words)
    if arguments.verb == "up":
        return up(arguments.pool, data=arguments.data, is_fresh=arguments.fresh, n_nodes=arguments.nodes)
    if arguments.verb == "down":
        return down(arguments.data)
    console = Console(stderr=True)
    raise_on_signals()
    try:
        if arguments.verb == "containers":
            # The caller ran a container program and wants to see only that program's output.
            installed = prepare_servers(Console(quiet=True), os.environ, (packages.CONTAINERS,), allow_fallback=True)
            write_tree_path(installed.containers, arguments.known)
            return 0
        if arguments.verb == "builder":
            installed = prepare_servers(Console(quiet=True), os.environ, packages.BUILDER_SETS)
            write_builder_programs(installed, arguments.known)
            return 0
        if arguments.verb == "image":
            image = build_image(arguments.source, arguments.destination, console, os.environ)
            say_how_to_use(image, arguments.source)
            return 0
        if arguments.verb == "try-task":
            trial = TaskTrial(
                arguments.directory, arguments.command, arguments.payload, arguments.secret, arguments.keep
            )
            return trial.build_and_run(console, os.environ)
        if arguments.verb == "services":
            say_notices(console, os.environ)
        wanted = (packages.BROKER, packages.POOL) if arguments.verb == "services" else packages.ALL
        installed = prepare_servers(console, os.environ, wanted)
        if arguments.verb == "services":
            with (
                run_directory() as run,
                running_services(installed, run, mongo_auth=read_launch_options(os.environ).mongo_auth) as servers,
            ):
                sys.stdout.write(json.dumps(_describe_services(servers), indent=1) + "\n")
                sys.stdout.flush()
                raise await_end(server.child for server in servers.servers).describe_failure("has ended")
    except Interrupted:
        # Only the servers have done all their work when a signal comes.
        return 0 if arguments.verb == "services" else 128 + signal.SIGINT
    return 0


def _describe_services(servers: Services) -> dict[str, object]:
    broker = servers.rabbitmq
    return {
        "mongo": {account: servers.mongodb.url(account) for account in (*list_databases(), ADMIN)},
        "control": {user: broker.control_url(user) for user in broker.users},
        "EWMS_DATA_AMQP_URL": broker.data_url,
        "EWMS_RABBITMQ_API_URL": broker.api_url,
        "admin": broker.management_url("admin"),
        "EWMS_BROKER_ADDRESS": broker.address,
        "EWMS_BROKER_KEY_FILE": str(broker.key_files.private),
        "EWMS_BROKER_PUBLIC_KEY_FILE": str(broker.key_files.public),
        "CONDOR_CONFIG": str(servers.condor and servers.condor.config),
        "jwks_url": broker.jwks_url,
    }


if __name__ == "__main__":
    sys.exit(main())
