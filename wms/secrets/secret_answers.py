"""Answer the question of a TMS for the secrets of a taskforce that it starts."""

from pydantic import SecretStr

from runtime.bus.questions import AnswerHandler, Caller
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.broker.topology import tms_service
from schemas.errors import Forbidden, NotFound
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.phases import Phase
from schemas.pilot.options import read_secret_names
from schemas.pilot.variables import Variables, full_name
from schemas.questions.bases import Answer, Question
from schemas.questions.secrets import SecretsAnswer, SecretsQuery
from wms.secrets.secret_store import SecretStore

#: A taskforce in another phase has its cluster already, or gets none.
_STARTS = (Phase.PENDING_STARTER,)
#: Where a taskforce names the files of the secrets that its task gets.
_OPTION = f"pilot_config.environment.{full_name('SECRETS')}"


class SecretAnswers:
    """Answers by what is stored about taskforces and secrets. `others` answers all other questions."""

    def __init__(self, store: Store, secrets: SecretStore, others: AnswerHandler) -> None:
        self._store = store
        self._secrets = secrets
        self._others = others

    async def answer_question(self, question: Question, caller: Caller) -> Answer:
        """Return the answer to `question`. The broker has checked that `caller` is the sender."""
        if isinstance(question, SecretsQuery):
            return await self.find_secrets(question, caller)
        return await self._others(question, caller)

    async def find_secrets(self, question: SecretsQuery, caller: Caller) -> SecretsAnswer:
        """Return the secrets that `question` names.

        Raises:
            NotFound: there is no such taskforce, or a secret was not given to its workflow.
            Forbidden: another TMS starts the taskforce, nobody does now, or its task does not get a secret.
        """
        query = {"taskforce_uuid": question.taskforce_uuid, "workflow_id": question.workflow_id}
        found = await self._store.find_one(TASKFORCES, query, projection={"schedd": 1, "phase": 1, _OPTION: 1})
        if found is None:
            raise NotFound("no taskforce found with these ids")
        if caller != tms_service(found["schedd"]) or found["phase"] not in _STARTS:
            raise Forbidden(f"{caller} does not start this taskforce now")
        own = _read_own_names(found)
        if strangers := sorted(set(question.names) - own):
            raise Forbidden(f"the task of this taskforce does not get the secret {strangers[0][:100]!r}")
        values = await self._secrets.read_values(question.workflow_id, question.names)
        return SecretsAnswer(values={name: SecretStr(value) for name, value in values.items()})


def _read_own_names(taskforce: Document) -> frozenset[str]:
    """Return the names of the files of secrets that the task of a taskforce gets."""
    environment = taskforce.get("pilot_config", {}).get("environment", {})
    given = environment.get(full_name("SECRETS"), "")
    text = ",".join(given) if isinstance(given, list) else str(given)
    return frozenset(read_secret_names(Variables({full_name("SECRETS"): text}), "SECRETS"))
