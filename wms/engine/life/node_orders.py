"""Make the order that sends a due node to a step worker. (core)"""

from schemas.engine.runs import make_idempotency_key
from schemas.events import NodeRun
from wms.engine.life.attempts import CLOCK_MARGIN
from wms.engine.life.open_run import OpenRun, find_inherited
from wms.engine.life.variables import find_variables
from wms.engine.life.waiting import make_callback_token


def make_node_run(run: OpenRun, number: int) -> NodeRun:
    """Return the order to call the function of a node that is due."""
    facts, state, spec = run.facts, run.nodes[number], run.facts.graph.nodes[number]
    return NodeRun(
        run=facts.id,
        node=state.key,
        attempt=state.attempt,
        pool=run.pool_of(number),
        run_uuid=facts.uuid,
        definition=facts.definition,
        definition_hash=facts.definition_hash,
        function=spec.function,
        name=spec.name,
        state=facts.state,
        variables=find_variables({}, find_inherited(run, number), facts.params),
        params=spec.params,
        idempotency_key=make_idempotency_key(facts.uuid, state.key),
        n_polls=state.n_polls,
        n_lost=state.n_lost,
        artifacts=state.artifacts if state.n_polls else {},
        callback_key="" if spec.opens is None else make_callback_token(facts.secret, state.key, state.attempt),
        timeout_s=spec.timeout_s,
        valid_until=None if state.wake_at is None else state.wake_at - CLOCK_MARGIN,
    )
