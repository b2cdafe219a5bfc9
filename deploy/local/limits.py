"""What this process and its children may have open: shells give an ordinary user 1024 files, at which mongod aborts."""

import resource

#: mongod keeps a file open for each collection and each index, RabbitMQ one for each connection and more for queues.
_MANY = 16_384


def allow_many_files() -> None:
    """Raise the soft limit on open files as far as the hard one lets, and as is of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(_MANY, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
