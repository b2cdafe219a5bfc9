"""`ewms-admin`, what operators run beside the services: it checks settings, makes users and certificates, saves data.

0   done, or the settings are right          1   the settings work, but something should be mended
2   refused, or the service cannot start
"""

import argparse
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from deploy.admin.broker import write_broker_users
from deploy.admin.certificates import make_certificates
from deploy.admin.configuration import find_faults, find_unknown, list_assigned, list_settings, list_variables
from ewms.cli.exits import is_output_error
from ewms.cli.text.terminal.streams import abandon_output, flush_stderr, prepare_streams, print_to_stderr
from runtime.settings import explain_error
from schemas.broker.services import SERVICES
from schemas.errors import Conflict, EWMSError, Rejected

EXIT_FAULTY, EXIT_UNUSABLE = 1, 2

#: Service -> where its settings are defined. Only the asked service is imported: the others may not be installed.
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "wms": ("wms.settings", "WmsSettings"),
    "mqs": ("mqs.settings", "MqsSettings"),
    "tms": ("tms.settings", "TmsSettings"),
    "steps": ("ewms.worker.settings", "WorkerSettings"),
}
_WITH_DATABASE = [spec.name for spec in SERVICES.values() if spec.database]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command with the arguments `words` (None: those of the process), and return the exit code."""
    parser = argparse.ArgumentParser(prog="ewms-admin", description="What operators run beside the services.")
    groups = parser.add_subparsers(dest="group", required=True, metavar="config|broker|certificates|database")
    config = groups.add_parser("config", help="the settings of the services")
    verbs = config.add_subparsers(dest="verb", required=True, metavar="check")
    check = verbs.add_parser("check", help="print the settings of a service without secrets, and say what is wrong")
    check.add_argument("service", choices=sorted(_SETTINGS))
    check.add_argument("--env-file", type=Path, help="the service's file of variables, as systemd reads it")
    broker = groups.add_parser("broker", help="the users of the broker")
    verbs = broker.add_subparsers(dest="verb", required=True, metavar="users")
    users = verbs.add_parser("users", help="write definitions.json for RabbitMQ, and passwords.json beside it")
    users.add_argument("directory", type=Path)
    users.add_argument("--schedd", action="append", default=[], help="a schedd with a TMS; once for each")
    users.add_argument("--pool", action="append", default=[], help="a pool of step workers; once for each")
    certificates = groups.add_parser("certificates", help="make an authority, and certificates that it signs")
    certificates.add_argument("directory", type=Path)
    certificates.add_argument("server", nargs="*", help="NAME=HOST,HOST: a server, with all its names and addresses")
    database = groups.add_parser("database", help="the documents of a service")
    verbs = database.add_subparsers(dest="verb", required=True, metavar="dump|restore")
    dump = verbs.add_parser("dump", help="write all documents into a new directory, as they are at one moment")
    restore = verbs.add_parser("restore", help="write the documents of such a directory into an empty database")
    for verb in (dump, restore):
        verb.add_argument("service", choices=sorted(_WITH_DATABASE))
        verb.add_argument("directory", type=Path)
        verb.add_argument("--env-file", type=Path, help="the service's file of variables, as systemd reads it")
    dump.set_defaults(replace=False)
    restore.add_argument("--replace", action="store_true", help="first drop what the database has")
    given = parser.parse_args(words)
    if given.group == "config":
        return check_configuration(given.service, given.env_file)
    if given.group == "database":
        return save_database(given.service, given.env_file, given.directory, given.verb, replaces=given.replace)
    if given.group == "certificates":
        return sign_certificates(given.directory, given.server)
    return make_broker_users(given.directory, given.schedd, given.pool)


def make_broker_users(directory: Path, schedds: Sequence[str], pools: Sequence[str]) -> int:
    """Write the broker's users into `directory`, and print their names. Return the exit code."""
    try:
        passwords = write_broker_users(directory, schedds=schedds, pools=pools)
    except (Conflict, OSError) as error:
        return _report_failure("broker users", error)
    sys.stdout.write("".join(f"{name}\n" for name in passwords))
    return 0


def sign_certificates(directory: Path, servers: Sequence[str]) -> int:
    """Make the certificates of `servers` (`NAME=HOST,HOST`) in `directory`, and print which are new. Return the exit
    code.
    """
    hosts = {
        name: [host for host in listed.split(",") if host] for name, _, listed in (s.partition("=") for s in servers)
    }
    try:
        made = make_certificates(directory, hosts)
    except (EWMSError, OSError) as error:
        return _report_failure("certificates", error)
    sys.stdout.write("".join(f"{directory / name}.crt\n" for name in made))
    return 0


def save_database(service: str, env_file: Path | None, directory: Path, verb: str, *, replaces: bool) -> int:
    """Dump the database of `service` into `directory`, or restore it from there, and print how many documents each
    collection has. Return the exit code.
    """
    try:
        settings = _read_settings(service, env_file)
        url, name = settings.mongo_url.get_secret_value(), settings.mongo_database
        # An access point may lack MongoDB's driver, which the other commands do not need.
        database = import_module("deploy.admin.database")
        if verb == "dump":
            done = database.dump_database(url, name, directory)
        else:
            done = database.restore_database(url, name, directory, replaces=replaces)
    except (EWMSError, OSError) as error:
        return _report_failure(f"database {verb}", error)
    sys.stdout.write("".join(f"{one.n_documents:>10} {collection}\n" for collection, one in sorted(done.items())))
    return 0


def check_configuration(service: str, env_file: Path | None) -> int:
    """Print the settings of `service` and their faults. Return the exit code."""
    try:
        settings = _read_settings(service, env_file)
    except Rejected as error:
        return _report_refusal(service, error.reason)
    kind = type(settings)
    for setting in list_settings(settings):
        mark = "" if setting.is_set else "   (default)"
        sys.stdout.write(f"{setting.variable}={setting.value}{mark}\n")
    unknown = find_unknown(os.environ if env_file is None else list_assigned(env_file.read_text()), kind)
    modes = _read_modes(settings)
    faults = [*find_faults(settings, unknown, modes), *_find_certificate_faults(settings, modes)]
    if env_file is not None and (mode := stat.S_IMODE(env_file.stat().st_mode)) & 0o077:
        faults.append(f"{env_file}: other accounts can read its passwords (mode {mode:04o}); chmod 600")
    _print_faults(service, faults)
    return EXIT_FAULTY if faults else 0


def _read_settings(service: str, env_file: Path | None) -> Any:
    """Return the settings of `service`.

    Raises:
        Rejected: the file does not exist, or the service cannot start with these settings.
    """
    if env_file is not None and not env_file.is_file():
        raise Rejected(f"{env_file}: there is no such file")
    module, name = _SETTINGS[service]
    try:
        return getattr(import_module(module), name)(_env_file=env_file)
    except ValidationError as error:
        raise Rejected(explain_error(error).reason) from error


def _read_modes(settings: BaseSettings) -> dict[str, int | None]:
    """Return the permission bits of the files that the settings name, by variable; None: there is no such file."""
    modes: dict[str, int | None] = {}
    for name in type(settings).model_fields:
        value: Any = getattr(settings, name)
        if isinstance(value, Path):
            variable = list_variables(type(settings), name)[0]
            modes[variable] = stat.S_IMODE(value.stat().st_mode) if value.exists() else None
    return modes


def _find_certificate_faults(settings: Any, modes: Mapping[str, int | None]) -> Iterable[str]:
    """Yield what is wrong with the content of the certificates. Missing files are reported elsewhere."""
    if None in (modes.get(name, 0) for name in ("EWMS_TLS_CERT_FILE", "EWMS_TLS_KEY_FILE", "EWMS_CA_FILE")):
        return
    try:
        settings.check_certificates()
    except Rejected as error:
        yield f"{error.reason}; {error.hint}"


def _report_failure(what: str, error: EWMSError | OSError) -> int:
    hint = f" ({error.hint})" if isinstance(error, EWMSError) and error.hint else ""
    print_to_stderr(f"{what}: {error}{hint}")
    return EXIT_UNUSABLE


def _report_refusal(service: str, reason: str) -> int:
    print_to_stderr(f"{service} cannot start: {reason}")
    return EXIT_UNUSABLE


def _print_faults(service: str, faults: Iterable[str]) -> None:
    for fault in faults:
        print_to_stderr(f"{service}: {fault}")


def run() -> None:
    """Run the command, and exit with its status, whether or not stdout and stderr can be written."""
    status = 0
    try:
        prepare_streams()
        try:
            status = main()
        except SystemExit as leaving:
            # The parser has printed the help, or what is wrong with the arguments.
            status = int(leaving.code or 0)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left because it has all that it wanted.
        abandon_output()
    except (Rejected, OSError) as error:
        if is_output_error(error):
            abandon_output()
        status = _report_failure("ewms-admin", error)
    flush_stderr()
    sys.exit(status)


if __name__ == "__main__":
    run()
