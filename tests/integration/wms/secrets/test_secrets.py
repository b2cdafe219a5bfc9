"""C33: secrets are stored encrypted, and only the TMS that starts a task gets those that were given to its workflow."""

from collections.abc import AsyncIterator

import pytest

from runtime.bus.questions import Caller
from runtime.kernel.decision import Decision
from runtime.kernel.store import Store, Transaction
from schemas.automation.stored_secrets import ORGANIZATION_SECRETS, SecretFile
from schemas.broker.topology import tms_service
from schemas.errors import Conflict, EWMSError, Forbidden, NotFound, Rejected
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.phases import Phase
from schemas.ids import OrganizationId, TaskforceUuid, WorkflowId
from schemas.questions.bases import Answer, Question
from schemas.questions.secrets import SecretsAnswer, SecretsQuery
from schemas.rules.secret_names import MAX_SECRET_BYTES, PROGRAM_SECRET
from schemas.wire import answer_from_bytes, answer_to_bytes
from wms.audit.audit_facts import AUDIT_ROWS
from wms.encryption import NoKey, SecretKeys, make_key
from wms.secret_rotation import SecretRotation
from wms.secrets.secret_answers import SecretAnswers
from wms.secrets.secret_store import INDEXES, SecretStore

NORTH, SOUTH = OrganizationId("north"), OrganizationId("south")
WORKFLOW, TASKFORCE = WorkflowId("WF-1"), TaskforceUuid("TF-1")
OURS, OTHER = Caller(tms_service("here.example.org")), Caller(tms_service("there.example.org"))
VALUE = "S3cret ünd more"


@pytest.fixture
async def store(mongo_url: str, mongo_database: str) -> AsyncIterator[Store]:
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/wms")
    await store.ensure_indexes(INDEXES)
    yield store
    await store.close()


async def answer_others(question: Question, caller: Caller) -> Answer:
    raise Rejected(f"{caller} asked {question.kind}")


async def give(store: Store, secrets: SecretStore, organization: OrganizationId, *names: str) -> None:
    """Store a gift to the workflow, as the request for the workflow does."""
    files = [SecretFile(name=name, file=name) for name in names]

    async def step(tx: Transaction) -> Decision:
        return Decision(changes=(await secrets.make_gift(tx, WORKFLOW, organization, files),))

    await store.transact(step)


async def test_c33_a_value_is_stored_encrypted_replaced_and_moved_to_a_new_key(store: Store) -> None:
    old = make_key()
    secrets = SecretStore(store, SecretKeys([old]))
    await secrets.set_secret(NORTH, "db-password", "first", by="ada")
    await secrets.set_secret(NORTH, "db-password", VALUE, by="bob")
    (stored,) = await store.find(ORGANIZATION_SECRETS, {})
    assert VALUE not in str(stored)
    assert stored["value"].startswith("fernet:")
    (listed,) = await secrets.list_secrets(NORTH)
    assert (listed.name, listed.value, listed.changed_by) == ("db-password", "", "bob")
    assert await secrets.list_secrets(SOUTH) == []

    keys = SecretKeys([make_key(), old])
    await SecretRotation(store, keys).encrypt_documents()
    (moved,) = await store.find(ORGANIZATION_SECRETS, {})
    assert keys.has_first_key(moved["value"])
    await give(store, SecretStore(store, keys), NORTH, "db-password")
    assert await SecretStore(store, keys).read_values(WORKFLOW, ["db-password"]) == {"db-password": VALUE}

    await secrets.delete_secret(NORTH, "db-password", by="cy")
    with pytest.raises(NotFound):
        await secrets.delete_secret(NORTH, "db-password", by="cy")
    # Each change has its row, which has no value.
    rows = await store.find(AUDIT_ROWS, {}, sort=[("_id", 1)])
    assert [(each["operation"], each["who"], each["name"]) for each in rows] == [
        ("create", "ada", "db-password"),
        ("update", "bob", "db-password"),
        ("delete", "cy", "db-password"),
    ]
    assert not {"first", VALUE} & set(str(rows).split("'"))


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("../up", "x", Rejected),
        ("a/b", "x", Rejected),
        (".hidden", "x", Rejected),
        ("n" * 64, "x", Rejected),
        ("name", "", Rejected),
        ("name", "x\0y", Rejected),
        ("name", "ü" * (MAX_SECRET_BYTES // 2 + 1), Rejected),
    ],
)
async def test_c33_a_bad_name_or_value_is_refused(
    store: Store, name: str, value: str, refusal: type[EWMSError]
) -> None:
    with pytest.raises(refusal):
        await SecretStore(store, SecretKeys([make_key()])).set_secret(NORTH, name, value, by="ada")
    assert await store.count(ORGANIZATION_SECRETS, {}) == 0


async def test_c33_a_server_without_a_key_stores_no_secret(store: Store) -> None:
    with pytest.raises(NoKey):
        await SecretStore(store, SecretKeys([])).set_secret(NORTH, "name", "x", by="ada")


async def test_c33_only_the_starting_tms_gets_what_was_given_to_the_workflow(store: Store) -> None:
    secrets = SecretStore(store, SecretKeys([make_key()]))
    answers = SecretAnswers(store, secrets, SecretKeys([]), answer_others)
    await secrets.set_secret(NORTH, "db-password", VALUE, by="ada")
    await secrets.set_secret(SOUTH, "south-key", "of the south", by="eve")

    async def ask(*names: str, caller: Caller = OURS, workflow: WorkflowId = WORKFLOW) -> dict[str, str]:
        query = SecretsQuery(workflow_id=workflow, taskforce_uuid=TASKFORCE, names=names)
        answer = answer_from_bytes(answer_to_bytes(await answers.answer_question(query, caller)))
        assert isinstance(answer, SecretsAnswer)
        assert VALUE not in repr(answer)
        return {name: value.get_secret_value() for name, value in answer.values.items()}

    async def be_in(phase: Phase, named: str | list[str] = "db-password,south-key") -> None:
        taskforce = {"workflow_id": WORKFLOW, "task_id": "TK-1", "schedd": "here.example.org", "phase": phase.value}
        taskforce |= {"pilot_config": {"environment": {"EWMS_PILOT_SECRETS": named}}}
        await store.bulk_update(TASKFORCES, [({"taskforce_uuid": TASKFORCE}, {"$set": taskforce})], upsert=True)

    with pytest.raises(NotFound):
        await ask("db-password")
    await be_in(Phase.PENDING_STARTER)
    with pytest.raises(NotFound, match="was not given"):
        await ask("db-password")
    with pytest.raises(NotFound, match="no secret"):
        await give(store, secrets, NORTH, "db-password", "south-key")
    await give(store, secrets, NORTH, "db-password")
    assert await ask("db-password") == {"db-password": VALUE}
    with pytest.raises(NotFound, match="was not given"):
        await ask("south-key")
    with pytest.raises(NotFound):
        await ask("db-password", workflow=WorkflowId("WF-2"))
    # The workflow was given it for another task of the job.
    for named in ("", "south-key", ["south-key"]):
        await be_in(Phase.PENDING_STARTER, named)
        with pytest.raises(Forbidden, match="the task of this taskforce does not get the secret 'db-password'"):
            await ask("db-password")
    await be_in(Phase.PENDING_STARTER, ["db-password"])
    assert await ask("db-password") == {"db-password": VALUE}
    await be_in(Phase.PENDING_STARTER)
    for caller in (OTHER, Caller("steps.default"), Caller("mqs")):
        with pytest.raises(Forbidden):
            await ask("db-password", caller=caller)
    # No gift gives the hidden texts of a program, and a task without them has none.
    await be_in(Phase.PENDING_STARTER, PROGRAM_SECRET)
    with pytest.raises(NotFound, match="was not given"):
        await ask(PROGRAM_SECRET)
    await be_in(Phase.PENDING_STARTER)
    with pytest.raises(Forbidden, match="does not get the secret 'ewms:program'"):
        await ask(PROGRAM_SECRET)
    # A second gift is refused: nobody adds a secret to a workflow that runs.
    with pytest.raises(Conflict):
        await give(store, secrets, SOUTH, "south-key")
    with pytest.raises(NotFound):
        await ask("south-key")
    for phase in (Phase.CONDOR_SUBMIT, Phase.CONDOR_COMPLETE):
        await be_in(phase)
        with pytest.raises(Forbidden):
            await ask("db-password")


async def test_c33_an_organization_has_a_limited_number_of_secrets(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wms.secrets.secret_store.MAX_STORED", 1)
    secrets = SecretStore(store, SecretKeys([make_key()]))
    await secrets.set_secret(NORTH, "one", "x", by="ada")
    await secrets.set_secret(NORTH, "one", "y", by="ada")
    with pytest.raises(Conflict):
        await secrets.set_secret(NORTH, "two", "x", by="ada")
