"""Answer the question of a TMS for the secrets of a taskforce that it starts.

a name of a file     the value of the organization's secret that a job gave to the workflow (`secret_store`)
PROGRAM_SECRET       the texts that the task directive has sealed (`wms/fleet/life/sealed_texts.py`)
"""

from collections.abc import Collection

from pydantic import SecretStr

from runtime.bus.questions import AnswerHandler, Caller
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.broker.topology import tms_service
from schemas.errors import Forbidden, NotFound
from schemas.fleet.documents import TASK_DIRECTIVES, TASKFORCES
from schemas.fleet.phases import Phase
from schemas.ids import TaskId
from schemas.pilot.options import read_secret_names
from schemas.pilot.pilot_wire import write_program_secret
from schemas.pilot.variables import Variables, full_name
from schemas.questions.bases import Answer, Question
from schemas.questions.secrets import SecretsAnswer, SecretsQuery
from schemas.rules.secret_names import PROGRAM_SECRET
from wms.encryption import SecretKeys
from wms.secrets.secret_store import SecretStore

#: A taskforce in another phase has its cluster already, or gets none.
_STARTS = (Phase.PENDING_STARTER,)
_READ = {"schedd": 1, "phase": 1, "task_id": 1}
#: Where a taskforce names the files of the secrets that its task gets.
_OPTION = f"pilot_config.environment.{full_name('SECRETS')}"


class SecretAnswers:
    """Answers by what is stored about taskforces and secrets. `others` answers all other questions."""

    def __init__(self, store: Store, secrets: SecretStore, keys: SecretKeys, others: AnswerHandler) -> None:
        """`keys` are those of the texts in task directives."""
        self._store = store
        self._secrets = secrets
        self._keys = keys
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
            NoKey, Broken: this server cannot decrypt a secret.
        """
        query = {"taskforce_uuid": question.taskforce_uuid, "workflow_id": question.workflow_id}
        found = await self._store.find_one(TASKFORCES, query, projection={**_READ, _OPTION: 1})
        if found is None:
            raise NotFound("no taskforce found with these ids")
        if caller != tms_service(found["schedd"]) or found["phase"] not in _STARTS:
            raise Forbidden(f"{caller} does not start this taskforce now")
        values = await self._read_program(found["task_id"], question.names)
        names = [name for name in question.names if name not in values]
        if strangers := sorted(set(names) - _read_own_names(found)):
            raise Forbidden(f"the task of this taskforce does not get the secret {strangers[0][:100]!r}")
        values |= await self._secrets.read_values(question.workflow_id, names)
        return SecretsAnswer(values={name: SecretStr(value) for name, value in values.items()})

    async def _read_program(self, task_id: TaskId, names: Collection[str]) -> dict[str, str]:
        """Return the secret `PROGRAM_SECRET`, if it is one of `names` and the task has hidden texts."""
        if PROGRAM_SECRET not in names:
            return {}
        task = await self._store.find_one(TASK_DIRECTIVES, {"_id": task_id}, projection={"sealed_texts": 1})
        sealed = task.get("sealed_texts", "") if task is not None else ""
        return {PROGRAM_SECRET: write_program_secret(self._keys.unseal(sealed))} if sealed else {}


def _read_own_names(taskforce: Document) -> frozenset[str]:
    """Return the names of the files of secrets that the task of a taskforce gets."""
    environment = taskforce.get("pilot_config", {}).get("environment", {})
    given = environment.get(full_name("SECRETS"), "")
    text = ",".join(given) if isinstance(given, list) else str(given)
    return frozenset(read_secret_names(Variables({full_name("SECRETS"): text}), "SECRETS"))
