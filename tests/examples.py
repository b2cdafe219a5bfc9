"""How many examples hypothesis tries. Three profiles decide that for all tests; no test sets numbers of its own.

    fast      a handful, in `make test-fast`
    default   few, in `make test`: each run draws others
    fuzz      many, in `make fuzz`

None has a deadline: a busy machine is no fault of what is tested, and tests/bench measures speed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import hypothesis
from hypothesis.internal.conjecture import providers

FAST = "fast"
DEFAULT = "default"
FUZZ = "fuzz"


def register_profiles() -> None:
    """Register the profiles and load `default`. The option `--hypothesis-profile=fuzz` loads another one."""
    plain = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True)
    hypothesis.settings.register_profile(FAST, plain, max_examples=10, stateful_step_count=20)
    hypothesis.settings.register_profile(DEFAULT, plain, max_examples=50, stateful_step_count=50)
    hypothesis.settings.register_profile(FUZZ, plain, max_examples=1000, stateful_step_count=100)
    hypothesis.settings.load_profile(DEFAULT)


@contextmanager
def constants_unread() -> Iterator[None]:
    """Keep hypothesis from reading the constants of all our modules during the block.

    It reads them after it has collected a test that draws examples, in each worker: a second, in a new checkout five.
    Without that the first such test of a worker reads them, and most workers have none.
    """
    with mock.patch.object(providers, "_get_local_constants"):
        yield


def part_of_examples(part: float) -> int:
    """Return that part of the loaded profile's number of examples: for tests whose single example takes long."""
    return max(1, round(part * hypothesis.settings().max_examples))
