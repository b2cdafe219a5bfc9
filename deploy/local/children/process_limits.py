"""What this process and its children may have: many open files, and no image of their memory on disk.

Shells give an ordinary user 1024 files, at which mongod aborts.
"""

import resource

#: mongod keeps a file open for each collection and each index, RabbitMQ one for each connection and more for queues.
_MANY = 16_384


def allow_many_files() -> None:
    """Raise the soft limit on open files as far as is useful and the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(_MANY, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def forbid_core_dumps() -> None:
    """Keep crashes from writing memory, which holds passwords, to a file. A task may raise the limit for itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
