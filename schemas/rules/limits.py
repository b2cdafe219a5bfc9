"""The limits of one request. A request within these limits passes all later stages. (core)

    request ──► documents of MongoDB ──► events of RabbitMQ ──► token ──► channels ──► argv and environment of a process

Each limit names what the request must fit into. docs/limits.md contains `TABLE`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.broker import token_sizes
from schemas.rules.placeholders import FILE_PLACEHOLDERS, HUB_PLACEHOLDERS

#: The size of a request's body.
MAX_BODY_BYTES = 1024 * 1024
MAX_TASKS = 1000
#: A workflow with its taskforces is one aggregate, changed in one transaction.
MAX_TASKFORCES = 1000
#: The size of all taskforces' configurations. Each taskforce has its own copy, and one transaction writes them all.
MAX_CONFIGURATION_BYTES = 8 * 1024 * 1024
#: With the queue for dead letters, this is one owner's default limit on the broker. One event names all queues.
MAX_WORKFLOW_QUEUES = 4999
MAX_ALIASES = 100
MAX_ALIAS_BYTES = 256
#: How many queues a task can have. Its pilot has one token, which names all queues and must fit into the login's frame.
MAX_TASK_QUEUES = token_sizes.max_queues()

#: The size of all arguments, which may be one string, or of one variable with its name. Linux accepts 131 072 bytes in
#: one string (MAX_ARG_STRLEN), and a container runtime adds `APPTAINERENV_` or `--env` in front.
MAX_STRING_BYTES = 131_000
#: The size of all arguments and variables of a program. Linux accepts a quarter of the stack's limit, usually 2 MiB.
MAX_PROGRAM_BYTES = 1_000_000
#: The size that each string adds to its own bytes: a pointer, its end, and a container runtime's prefix.
STRING_OVERHEAD_BYTES = 32
#: Linux accepts at most 128 KiB for one argument, with the NUL at its end (MAX_ARG_STRLEN).
MAX_ARGUMENT_BYTES = 128 * 1024 - 1
#: A file's name has at most 255 bytes, and a pilot's file names begin with `outfile-` and an id.
MAX_EXTENSION_BYTES = 64
#: The maximum length of the path that replaces a placeholder.
_PATH_BYTES = 512
MAX_INPUT_FILES = 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of the table: what is limited, the limit, and the reason."""

    what: str
    limit: str
    why: str


TABLE = (
    Limit("the body of a request", f"{MAX_BODY_BYTES:,} bytes", "memory of the gateway; `EWMS_MAX_BODY_BYTES`"),
    Limit("tasks of a workflow", f"{MAX_TASKS:,}", "its documents change in one transaction"),
    Limit("tasks times cluster locations", f"{MAX_TASKFORCES:,}", "its documents change in one transaction"),
    Limit(
        "`worker_config` and `pilot_config` of all taskforces",
        f"{MAX_CONFIGURATION_BYTES:,} bytes",
        "each taskforce has its copy; one transaction writes them",
    ),
    Limit(
        "queues of a workflow",
        f"{MAX_WORKFLOW_QUEUES:,}",
        "one owner's queues on the broker (`EWMS_OWNER_QUEUES`), and the one event that requests them",
    ),
    Limit("`input_queue_aliases`, `output_queue_aliases`", f"{MAX_ALIASES} each", "the next line"),
    Limit(
        "queues of a task, in and out",
        f"{MAX_TASK_QUEUES}; {token_sizes.max_queues(for_existing_clients=True)} with `EWMS_LEGACY_CLIENTS`",
        "a pilot's one token names them all and must fit into one frame of the login. Pilots open several "
        "connections if the broker's `channel_max` requires it",
    ),
    Limit("an alias", f"{MAX_ALIAS_BYTES} bytes", "it stands in URLs, and in the event that requests all queues"),
    Limit(
        "`task_args`, `init_args`",
        f"{MAX_STRING_BYTES:,} bytes, where each placeholder counts as {_PATH_BYTES}",
        "Linux accepts 131 072 bytes in one string (`MAX_ARG_STRLEN`)",
    ),
    Limit(
        "one variable of `task_env` or `init_env`, with its name",
        f"{MAX_STRING_BYTES:,} bytes",
        "the same, with a prefix from the container runtime",
    ),
    Limit(
        "arguments and variables of one program together",
        f"{MAX_PROGRAM_BYTES:,} bytes, {STRING_OVERHEAD_BYTES} more for each variable",
        "Linux accepts a quarter of the stack's limit, usually 2 MiB",
    ),
    Limit("`EWMS_PILOT_INFILE_EXT`, `EWMS_PILOT_OUTFILE_EXT`", f"{MAX_EXTENSION_BYTES} bytes", "a file's name has 255"),
    Limit(
        "an event with `EWMS_PILOT_PAYLOAD_ARGUMENT`",
        f"{MAX_ARGUMENT_BYTES:,} bytes of text in UTF-8 without NUL",
        "Linux accepts 128 KiB for one argument",
    ),
    Limit("`pilot_config.input_files`", f"{MAX_INPUT_FILES:,} files", "one job carries them all"),
    Limit("an event", "4 MiB; 16 MiB unpacked, if it comes from an existing client", "memory of pilots and broker"),
)


def print_table() -> str:
    """Return the table as Markdown."""
    lines = ["| What | Limit | It must fit into |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {limit.what} | {limit.limit} | {limit.why} |" for limit in TABLE)]) + "\n"


def find_program_problems(arguments: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each text that is too large for a process: `args` or the variable's name, and "rule; remedy"."""
    # Count all arguments as one string: splitting a megabyte takes a second.
    sizes = [_filled_bytes(arguments)]
    if sizes[0] > MAX_STRING_BYTES:
        rule = f"must have at most {MAX_STRING_BYTES} bytes, {_PATH_BYTES} for each placeholder, and has {sizes[0]}"
        yield "args", f"{rule}; {_REMEDY}"
    for name, value in environment.items():
        size = len(name) + len(value.encode())
        sizes.append(size)
        if size > MAX_STRING_BYTES:
            yield name, f"must have at most {MAX_STRING_BYTES} bytes with its name, and has {size}; {_REMEDY}"
    total = sum(sizes) + STRING_OVERHEAD_BYTES * len(sizes)
    if total > MAX_PROGRAM_BYTES:
        rule = f"must have at most {MAX_PROGRAM_BYTES} bytes together with its environment"
        yield "args", f"{rule} ({STRING_OVERHEAD_BYTES} more for each variable), and has {total}; {_REMEDY}"


_REMEDY = "put the data into a file that tasks can reach, and give its name"


def _filled_bytes(arguments: str) -> int:
    """Return how many bytes `arguments` can have once paths have replaced the placeholders."""
    n_placeholders = sum(arguments.count(placeholder) for placeholder in (*FILE_PLACEHOLDERS, *HUB_PLACEHOLDERS))
    return len(arguments.encode()) + n_placeholders * _PATH_BYTES
