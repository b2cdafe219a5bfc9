"""How many examples hypothesis tries. Two profiles decide that for all tests; no test sets numbers of its own.

    default   few, in `make test`: each run draws others
    fuzz      many, in `make fuzz`

Neither has a deadline: a busy machine is no fault of what is tested, and tests/bench measures speed.
"""

import hypothesis

DEFAULT = "default"
FUZZ = "fuzz"


def register_profiles() -> None:
    """Register both profiles and load `default`. The option `--hypothesis-profile=fuzz` loads the other one."""
    plain = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True)
    hypothesis.settings.register_profile(DEFAULT, plain, max_examples=50, stateful_step_count=50)
    hypothesis.settings.register_profile(FUZZ, plain, max_examples=1000, stateful_step_count=100)
    hypothesis.settings.load_profile(DEFAULT)


def part_of_examples(part: float) -> int:
    """Return that part of the loaded profile's number of examples: for tests whose single example takes long."""
    return max(1, round(part * hypothesis.settings().max_examples))
