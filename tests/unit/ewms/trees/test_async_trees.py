"""Launches of trees and decisions by the client: what it refuses before it changes anything."""

from typing import Any, cast

import pytest

from ewms.gateway.http import Gateway
from ewms.trees.async_trees import AsyncTreeClient
from schemas.errors import NotFound, Rejected


class FakeGateway:
    """A server with one template, whose survey asks for `version`."""

    def __init__(self, *, asks: bool, has_survey: bool) -> None:
        self.launched: list[Any] = []
        self._allowed = {"ask_variables_on_launch": asks, "survey_enabled": has_survey}

    async def get_json(self, path: str) -> Any:
        if path.endswith("/survey_spec/"):
            return {"spec": [{"variable": "version"}]}
        return self._allowed if path.endswith("/launch/") else {"results": [{"id": 3, "name": "release"}]}

    async def post_json(self, _: str, body: Any) -> Any:
        self.launched.append(body["extra_vars"])
        return {"id": 17}


async def launch(gateway: FakeGateway, **variables: Any) -> int:
    return (await AsyncTreeClient(lambda: cast(Gateway, gateway)).launch("release", variables=variables)).id


@pytest.mark.parametrize("has_survey", [True, False])
async def test_a_variable_that_nobody_asks_for_is_refused_and_nothing_is_launched(has_survey: bool) -> None:
    gateway = FakeGateway(asks=False, has_survey=has_survey)
    with pytest.raises(Rejected, match="does not ask for these variables: colour"):
        await launch(gateway, colour="red")
    assert not gateway.launched


async def test_variables_of_the_survey_and_those_of_an_open_template_are_launched_with() -> None:
    gateway = FakeGateway(asks=False, has_survey=True)
    assert await launch(gateway, version="1.2") == 17
    assert gateway.launched == [{"version": "1.2"}]
    assert await launch(FakeGateway(asks=True, has_survey=False), colour="red") == 17


class ApprovalGateway:
    """A server with a tree in which these approvals wait, by name."""

    def __init__(self, *waiting: str) -> None:
        self._rows = [{"id": number, "name": name} for number, name in enumerate(waiting, start=31)]
        self.decided: list[tuple[str, Any]] = []

    async def get_json(self, path: str) -> Any:
        assert path.startswith("/workflow_approvals/?workflow_job=17&status=pending")
        named = path.partition("&name=")[2]
        return {"results": [row for row in self._rows if named in ("", row["name"])]}

    async def post_json(self, path: str, body: Any) -> None:
        self.decided.append((path, body))


async def test_the_only_approval_that_waits_needs_no_name() -> None:
    gateway = ApprovalGateway("sign")
    run = AsyncTreeClient(lambda: cast(Gateway, gateway)).get(17)
    await run.approve(comment="good")
    await run.deny("sign")
    assert gateway.decided == [
        ("/workflow_approvals/31/approve/", {"comment": "good"}),
        ("/workflow_approvals/31/deny/", {"comment": ""}),
    ]


@pytest.mark.parametrize(
    ("waiting", "name", "reason"),
    [
        ((), "", "no approval waits in job 17"),
        (("sign",), "ship", "no approval called 'ship' waits"),
        (("ship", "sign"), "", "several approvals wait in job 17: ship, sign"),
    ],
)
async def test_a_decision_that_fits_no_single_approval_is_refused(
    waiting: tuple[str, ...], name: str, reason: str
) -> None:
    gateway = ApprovalGateway(*waiting)
    with pytest.raises(NotFound, match=reason):
        await AsyncTreeClient(lambda: cast(Gateway, gateway)).get(17).approve(name)
    assert not gateway.decided
