"""Let step workers evaluate the forms of processes that steps have started. A refusal ends the child, not the step."""

from schemas.engine.runs import NodeError
from schemas.errors import Conflict, Rejected
from schemas.questions.step_code import ActingUser, EvaluateStart
from wms.engine.engine import Engine
from wms.engine.life.open_run import OpenRun
from wms.engine.life.stimuli import LaunchFormFilled, LaunchFormRefused
from wms.engine.worker_questions import WorkerQuestions


class ChildForms:
    """Evaluates the forms of runs that have not begun."""

    def __init__(self, engine: Engine, questions: WorkerQuestions) -> None:
        self._engine = engine
        self._questions = questions
        engine.effects.fill_form = self.fill_form

    async def fill_form(self, run: OpenRun) -> None:
        """Begin the run with the values of its form. If the form refuses the pages, end the run. Without a worker, the
        run waits.

        The run predicate is evaluated. The authorization callback is not, because a step starts the run, not a user.
        """
        facts, keys = run.facts, self._engine.effects.keys
        question = EvaluateStart(
            definition=facts.definition,
            definition_hash=facts.definition_hash,
            run_uuid=facts.uuid,
            state=keys.unseal_values(facts.state, facts.masked),
            pages=tuple(keys.unseal_values(page, facts.masked) for page in facts.pages or ()),
            user=ActingUser(name=facts.owner),
            checks_user=False,
        )
        try:
            values = await self._questions.evaluate_form(question, facts.pool)
            sealed = keys.seal_values(values, facts.masked)
            await self._engine.apply_stimulus(facts.id, LaunchFormFilled(sealed, facts.owner))
        except Conflict:
            raise
        except Rejected as error:
            refusal = NodeError(error_class=type(error).__name__, message=error.reason)
            await self._engine.apply_stimulus(facts.id, LaunchFormRefused(refusal))
