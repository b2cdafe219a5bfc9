"""Which versions the gateway tells: those of services that answer, and why it does not know the others."""

import json
from importlib.metadata import version
from typing import Any

from schemas.broker.topology import tms_service
from schemas.errors import Unavailable
from schemas.questions.bases import Answer, Question, VersionAnswer
from wms.fleet.choices.locations import Location, LocationMap, ServedBy
from wms.gateway.ewms.services import ServiceRoutes


class PlayedBus:
    """A bus on which MQS answers, and one TMS is away."""

    async def ask(self, request: Question, *, to: str | None = None, timeout_s: float = 5.0) -> Answer:
        assert request.kind == "version"
        if to == tms_service("away@x"):
            raise Unavailable("no answer in time")
        return VersionAnswer(version=f"version of {to}")


async def test_each_service_is_listed_with_its_version_or_the_reason_why_it_has_none() -> None:
    locations = LocationMap(
        {
            "a": Location(schedd="away@x"),
            "b": Location(schedd="here@x"),
            "c": Location(schedd="rest@x", served_by=ServedBy.REST),
        }
    )
    call: Any = None
    answer = await ServiceRoutes(locations, PlayedBus()).list_services(call)
    seen = [
        (each["service"], each["schedd"], each["version"], each["problem"])
        for each in json.loads(answer.body)["services"]
    ]
    assert seen == [
        ("wms", None, version("ewms"), ""),
        ("mqs", None, "version of mqs", ""),
        ("tms", "away@x", None, "no answer in time"),
        ("tms", "here@x", f"version of {tms_service('here@x')}", ""),
        ("tms", "rest@x", None, "it polls over REST and takes no questions"),
    ]
