"""Copy a record of the pilot's decisions with a few fields changed, fast. (core)

`dataclasses.replace` calls the constructor with every field; for the 37 fields of the pilot's state that takes eight
times as long. So a record that changes with each event has no slots: its fields are one dictionary, which is copied at
once.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["replace"]

if TYPE_CHECKING:
    # The same to the type checker, which checks names and types of the fields.
    from dataclasses import replace
else:

    def replace(record: Any, /, **changes: Any) -> Any:
        """Return a copy of `record`, a frozen dataclass without slots, with `changes`. Its constructor does not run.

        Raises:
            TypeError: `record` has no such field.
        """
        copy = object.__new__(type(record))
        fields = copy.__dict__
        fields.update(record.__dict__, **changes)
        if len(fields) != len(record.__dict__):
            unknown = sorted(fields.keys() - record.__dict__.keys())
            raise TypeError(f"{type(record).__name__} has no field {', '.join(unknown)}")
        return copy
