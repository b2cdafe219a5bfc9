"""The question of a step worker to WMS whether its definitions and products are registered.

Only the broker users of pools may ask it.
"""

from typing import Literal

from schemas.ids import DefinitionHash
from schemas.questions.bases import Answer, WmsQuestion


class RegistrationQuery(WmsQuestion):
    """A step worker asks which of its definitions and products WMS does not have yet."""

    kind: Literal["registration"] = "registration"
    hashes: tuple[DefinitionHash, ...] = ()
    #: The products' names.
    products: tuple[str, ...] = ()


class RegistrationAnswer(Answer):
    """The definitions and products that WMS does not have yet. If both are empty, all are registered."""

    kind: Literal["registration"] = "registration"
    missing_hashes: tuple[DefinitionHash, ...] = ()
    missing_products: tuple[str, ...] = ()
