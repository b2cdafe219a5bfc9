"""Hide the values of a task's secrets in what its containers write. (core)

    mask = SecretMask([b"s3cret\n"])
    mask.mask_text("login with s3cret failed")      "login with *** failed"

Mask a text before it is shortened: a part of a secret is not found any more.

    find_hidden_parts("--password=$encrypted$", "--password=s3cret")      ("s3cret",)
"""

import re
from collections.abc import Iterable
from typing import Any

from schemas.rules.secret_names import MASK as HIDDEN

#: What stands in a text instead of a secret. A shorter value is not masked: it would stand in every second line.
MASK = "***"
SHORTEST_MASKED = 4


class SecretMask:
    """Masks the values of secrets. Without secrets it changes nothing."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        """Mask `secrets`, each also without the line break at its end."""
        forms = {form for value in secrets for form in (value, value.rstrip(b"\r\n")) if len(form) >= SHORTEST_MASKED}
        #: The longest first: a secret may contain another one.
        self.values: tuple[bytes, ...] = tuple(sorted(forms, key=len, reverse=True))
        self._texts = tuple(value.decode(errors="replace") for value in self.values)
        self._bytes_pattern = re.compile(b"|".join(map(re.escape, self.values)))
        self._text_pattern = re.compile("|".join(map(re.escape, self._texts)))

    def mask_text(self, text: str) -> str:
        """Return `text` with `***` in place of each secret."""
        return self._text_pattern.sub(MASK, text) if self.values else text

    def mask_end(self, text: str) -> str:
        """Return the same for the end of a longer text, which may begin within a secret."""
        text = self.mask_text(text)
        n_cut = max((_find_overlap(secret, text) for secret in self._texts), default=0)
        return MASK + text[n_cut:] if n_cut else text

    def mask_bytes(self, body: bytes) -> bytes:
        """Return `body` with `***` in place of each secret."""
        return self._bytes_pattern.sub(MASK.encode(), body) if self.values else body

    def mask_json(self, value: Any) -> Any:
        """Return a JSON value with `***` in place of each secret in its texts and keys."""
        if not self.values:
            return value
        match value:
            case str():
                return self.mask_text(value)
            case list():
                return [self.mask_json(each) for each in value]
            case dict():
                return {self.mask_text(key): self.mask_json(each) for key, each in value.items()}
            case _:
                return value


def find_hidden_parts(shown: str, real: str) -> tuple[str, ...]:
    """Return what `real` has where `shown`, which is the same text for people, has `$encrypted$`.

    If a text has several different secrets, and one contains the words between them, the parts may begin and end at
    other places. If `shown` is of another text, return the whole `real`.
    """
    between = shown.split(HIDDEN)
    n_masks = len(between) - 1
    if not n_masks:
        return () if shown == real else (real,)
    length, rest = divmod(len(real) - sum(map(len, between)), n_masks)
    same = real[len(between[0]) :][: max(length, 0)]
    if not rest and same.join(between) == real:
        return (same,)
    if len(real) < len(between[0]) + len(between[-1]) or not (
        real.startswith(between[0]) and real.endswith(between[-1])
    ):
        return (real,)
    end = len(real) - len(between[-1])
    found, at = [], len(between[0])
    for words in between[1:-1]:
        if (next_at := real.find(words, at, end)) < 0:
            return (real,)
        found.append(real[at:next_at])
        at = next_at + len(words)
    return (*found, real[at:end])


def _find_overlap(secret: str, text: str) -> int:
    """Return how many characters at the beginning of `text` are the end of `secret`; 0 if they are too few to mask."""
    for n in range(min(len(secret) - 1, len(text)), SHORTEST_MASKED - 1, -1):
        if secret[-n] == text[0] and text.startswith(secret[-n:]):
            return n
    return 0
