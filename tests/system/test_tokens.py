"""Queue tokens over time, on the running system: their renewal in running pilots, and new keys that sign them."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import jwt
import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import run_directory
from deploy.local.files.secret_files import make_key_pair
from deploy.local.system.services import Servers
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from ewms import Client
from ewms.client import Run
from schemas.broker.topology import DATA_VHOST
from tests.oldclient import OldClient
from tests.system.conftest import CLUSTER, one_task, plain_environment
from tests.waiting import wait_until

#: Long enough that on a busy machine a renewal, which begins at half of it, is not late.
LIFE_S = 20


@pytest.fixture
def short_lived(installed: Installed, servers: Servers | None, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The system on HTCondor, where all queue tokens live for seconds."""
    lives = {"EWMS_PILOT_TOKEN_LIFE_S": str(LIFE_S), "EWMS_USER_TOKEN_LIFE_S": str(LIFE_S)}
    environment = plain_environment() | lives
    with (
        run_directory(keep_logs=lambda: request.session.testsfailed > 0) as run,
        running_stack(installed, run, pool="condor", environment=environment, servers=servers) as running,
    ):
        yield running


def connections(stack: Stack) -> set[str]:
    """Return who is connected to the data vhost, from which port: another after a reconnect."""
    answer = httpx2.get(f"{stack.services.rabbitmq.management_url('admin')}/api/connections")
    return {
        f"{one['client_properties'].get('connection_name', '')} {one['name']}"
        for one in answer.json()
        if one["vhost"] == DATA_VHOST and one["user"] != "mqs" and one["client_properties"]
    }


def test_pilots_and_users_work_on_one_connection_for_longer_than_their_tokens_live(short_lived: Stack) -> None:
    with Client(short_lived.gateway, token=short_lived.token, cluster=CLUSTER, timeout=60) as client:
        run = client.submit(one_task("sleep 0.2; cp $1 $2", n_workers=2))
        sent: list[str] = []
        with (
            run.queue("in").publisher(active_timeout=60) as publisher,
            run.queue("out").results(idle_timeout=60) as results,
        ):
            arrived = iter(results)

            def back_and_forth() -> None:
                sent.append(str(len(sent)))
                publisher.send(sent[-1])
                got.append(str(next(arrived).body))

            got: list[str] = []
            back_and_forth()
            until_connected(short_lived, n_pilots=2)
            before = connections(short_lived)
            end = time.monotonic() + 2.1 * LIFE_S
            while time.monotonic() < end:
                back_and_forth()
            after = connections(short_lived)
        assert sorted(got) == sorted(sent)
        assert len(sent) > 2
        assert after == before, "a connection was lost over a token that had ended"
        assert run.depths().n_dead == 0
        run.finish()
        run.wait("over", timeout="60s").raise_for_failures()


def until_connected(stack: Stack, *, n_pilots: int) -> None:
    wait_until(
        lambda: connections(stack),
        lambda names: sum(name.startswith("pilot ") for name in names) == n_pilots,
        within_s=40,
        pause_s=0.2,
    )


def rotate(stack: Stack, directory: Path) -> str:
    """Put a new key pair into the place of MQS's, the private one first; return its kid."""
    directory.mkdir()
    fresh, files = make_key_pair(directory, "key"), stack.services.rabbitmq.key_files
    kid = fresh.kid
    fresh.private.rename(files.private)
    fresh.public.rename(files.public)
    return kid


def test_five_new_keys_in_a_row_break_nothing_for_who_works_meanwhile(
    chosen: Stack, ews: Client, tmp_path: Path
) -> None:
    run = ews.submit(one_task("cp $1 $2", n_workers=2))
    tokens = [token_of(run)]
    with (
        run.queue("in").publisher(active_timeout=60) as old_publisher,
        run.queue("out").results(idle_timeout=60) as old_results,
    ):
        arrived = iter(old_results)
        for number in range(5):
            kid = rotate(chosen, tmp_path / str(number))
            # A connection from before all new keys, and one that only the newest lets in.
            old_publisher.send("old")
            with run.queue("in").publisher(active_timeout=60) as publisher:
                publisher.send("new")
            assert sorted(str(next(arrived).body) for _ in range(2)) == ["new", "old"]
            tokens.append(token_of(run))
            assert jwt.get_unverified_header(tokens[-1])["kid"] == kid
    # One whose pilots begin with the newest key.
    another = ews.submit(one_task("cp $1 $2", n_workers=1))
    with another.queue("in").publisher(active_timeout=60) as publisher:
        publisher.send("late")
    assert [event.body for event in another.queue("out").results(n=1, idle_timeout=60)] == ["late"]

    # Whoever has one of those tokens can check it, and use it.
    listed = httpx2.get(f"{chosen.gateway}/mqbroker-issuer/.well-known/jwks.json").json()
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(listed).keys}
    assert len({jwt.get_unverified_header(token)["kid"] for token in tokens}) == 6
    for token in tokens:
        jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]], audience="ewms")
        with OldClient(chosen.services.rabbitmq.address, token, "any"):
            pass
    assert run.depths().n_dead == 0
    for ended in (run, another):
        ended.finish()
        ended.wait("over", timeout="60s").raise_for_failures()


def token_of(run: Run) -> str:
    """Return a newly minted token for the input, once that is active."""
    run.wait("active", timeout="30s")
    token = run.queue("in").profile().auth_token
    assert token is not None
    return token
