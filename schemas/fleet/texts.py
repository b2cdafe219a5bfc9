"""The kinds of texts in a request, each with its maximum length and its allowed characters."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def _without_controls(text: str) -> str:
    if any((ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127 for c in text):
        raise ValueError("must not contain control characters")
    return text


def _one_line(text: str) -> str:
    # A line end would start a new submit command. In an expression it means the same as a blank, so replace it.
    return _without_controls(" ".join(text.splitlines()))


def _without_nul(text: str) -> str:
    # The environment of a process cannot contain NUL.
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


Text = Annotated[str, StringConstraints(max_length=65_536), AfterValidator(_without_controls)]
Image = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_without_controls)]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)]
EnvironmentValue = Annotated[str, StringConstraints(max_length=131_072), AfterValidator(_without_nul)]
Environment = dict[EnvironmentName, EnvironmentValue]
Requirements = Annotated[str, StringConstraints(max_length=8192), AfterValidator(_one_line)]
