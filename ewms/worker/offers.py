"""What a worker offers: the definitions of its modules, by their hash."""

import importlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ewms.steps.definitions import ProcessDefinition, TwiceDefined, list_definitions
from ewms.steps.registrations import export_definition, find_target, list_mismatches
from ewms.steps.step_list import Step
from runtime.telemetry import log
from schemas.errors import Rejected
from schemas.graph import Definition
from schemas.ids import DefinitionHash, NodeKey
from schemas.processes import Target


@dataclass(frozen=True)
class Offer:
    """A definition with the code that it stands for."""

    code: ProcessDefinition
    sent: Definition
    hash: DefinitionHash
    target: Target

    def find_step(self, key: NodeKey) -> Step | None:
        """Return the step with this key; None: there is none."""
        position = int(key) if key.isdecimal() else -1
        return self.code.steps[position] if 0 <= position < len(self.code.steps) else None


def load_offers(modules: Iterable[str], pool: str) -> dict[DefinitionHash, Offer]:
    """Import `modules` and return what they define. Modules of the working directory count.

    Raises:
        Rejected: a module cannot be imported, two definitions have one name, or there is no definition at all.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for module in modules:
        try:
            importlib.import_module(module)
        except TwiceDefined as error:
            raise Rejected(str(error), hint="give one of them another name") from error
        except Exception as error:
            raise Rejected(
                f"the module {module!r} cannot be imported: {type(error).__name__}: {error}",
                hint="try `python -c 'import ...'` with it where the worker runs",
            ) from error
    for line in (*list_mismatches(), *(line for one in list_definitions() for line in one.list_warnings())):
        log.warning("a definition is odd", what=line)
    offers = [_make_offer(one, pool) for one in list_definitions()]
    if not offers:
        raise Rejected(f"no workflow is defined in {', '.join(modules)}", hint="define one with @task or its like")
    return {offer.hash: offer for offer in offers}


def _make_offer(code: ProcessDefinition, pool: str) -> Offer:
    sent = export_definition(code, pool)
    return Offer(code, sent, sent.hash, find_target(code))
