"""The phases of a taskforce, and the moves that are allowed between them.

    pre-mq-activation -> pre-launch -> pending-starter -> condor-submit -> condor-complete
            \\_______________\\________________\\_________________\\-> pending-stopper -> condor-rm -> condor-complete

A cluster may complete directly from pending-stopper. No move leads out of condor-complete. Source: contract, section 4.
"""

from collections.abc import Mapping

from schemas.stored_enum import StoredEnum


class Phase(StoredEnum):
    """A taskforce's phase."""

    PRE_MQ_ACTIVATION = "pre-mq-activation"
    PRE_LAUNCH = "pre-launch"
    PENDING_STARTER = "pending-starter"
    CONDOR_SUBMIT = "condor-submit"
    PENDING_STOPPER = "pending-stopper"
    CONDOR_RM = "condor-rm"
    CONDOR_COMPLETE = "condor-complete"


LEGAL_MOVES: Mapping[Phase, frozenset[Phase]] = {
    Phase.PRE_MQ_ACTIVATION: frozenset({Phase.PRE_LAUNCH, Phase.PENDING_STOPPER}),
    Phase.PRE_LAUNCH: frozenset({Phase.PENDING_STARTER, Phase.PENDING_STOPPER}),
    Phase.PENDING_STARTER: frozenset({Phase.CONDOR_SUBMIT, Phase.PENDING_STOPPER}),
    Phase.CONDOR_SUBMIT: frozenset({Phase.PENDING_STOPPER, Phase.CONDOR_RM, Phase.CONDOR_COMPLETE}),
    Phase.PENDING_STOPPER: frozenset({Phase.CONDOR_RM, Phase.CONDOR_COMPLETE}),
    Phase.CONDOR_RM: frozenset({Phase.CONDOR_COMPLETE}),
    Phase.CONDOR_COMPLETE: frozenset(),
}

#: The phases of a taskforce whose end was not requested.
WANTED: frozenset[Phase] = frozenset(
    {Phase.PRE_MQ_ACTIVATION, Phase.PRE_LAUNCH, Phase.PENDING_STARTER, Phase.CONDOR_SUBMIT}
)


def may_move(source: Phase, target: Phase) -> bool:
    """Return whether a taskforce may go from the phase `source` to the phase `target` in one move."""
    return target in LEGAL_MOVES.get(source, frozenset())


class Deactivated(StoredEnum):
    """The word by which a user ended a workflow. EWMS ends the workflow in the same way for both words."""

    ABORTED = "ABORTED"
    FINISHED = "FINISHED"
