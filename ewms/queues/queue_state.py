"""Ask the gateway for the profiles of a workflow's public queues, and wait until one is active.

This is not in `ewms.queues.queue_access`, because that loads AMQP. Commands that only show a workflow need none.
"""

from urllib.parse import urlencode

from ewms.errors import NotThere, Refused, Unreachable
from ewms.gateway.http import Gateway
from ewms.polling import Polling
from schemas.api.queues.profiles import ProfilesAnswerBody, Use
from schemas.errors import EWMSError
from schemas.fleet.objects import MQProfile
from schemas.ids import WorkflowId


async def fetch_public_profiles(gateway: Gateway, workflow: WorkflowId) -> list[MQProfile]:
    """Return the profiles of the workflow's public queues. The profiles of active queues have tokens."""
    answer = await gateway.get_json(f"/mqs/workflows/{workflow}/mq-profiles/public")
    return ProfilesAnswerBody.model_validate(answer, extra="ignore").mqprofiles


async def fetch_public_profile(gateway: Gateway, workflow: WorkflowId, alias: str, use: Use | None = None) -> MQProfile:
    """Return the profile of the public queue `alias`. If `use` is given, the gateway checks that the queue allows it.

    Raises:
        NotThere: the workflow has no such public queue.
        Refused: the queue does not allow `use`, or its workflow has ended.
    """
    profiles = (
        await fetch_public_profiles(gateway, workflow)
        if use is None
        else await _fetch_for_use(gateway, workflow, alias, use)
    )
    for profile in profiles:
        if profile.alias == alias:
            return profile
    names = ", ".join(profile.alias for profile in profiles) or "none at all"
    raise NotThere(f"workflow {workflow} has no public queue {alias!r}", hint=f"its public queues: {names}")


async def _fetch_for_use(gateway: Gateway, workflow: WorkflowId, alias: str, use: Use) -> list[MQProfile]:
    question = urlencode({"alias": alias, "to": use})
    answer = await gateway.get_json(f"/mqs/workflows/{workflow}/mq-profiles/public?{question}")
    return ProfilesAnswerBody.model_validate(answer, extra="ignore").mqprofiles


async def wait_until_active(
    gateway: Gateway, workflow: WorkflowId, alias: str, use: Use, timeout_s: float | None
) -> MQProfile:
    """Wait until the public queue `alias` is active, and return its profile. If `timeout_s` is None, there is no
    timeout.

    Raises:
        NotThere: the workflow has no such public queue.
        Refused: the queue does not allow `use`, or its workflow has ended.
        TimedOut: the queue is not active in time.
    """
    looks = Polling(timeout_s, f"queue {alias!r} of {workflow} is not active")
    while True:
        profile = await fetch_public_profile(gateway, workflow, alias, use)
        if profile.is_activated and profile.auth_token and profile.broker_address:
            return profile
        await looks.wait_for_next()


async def explain_refusal(gateway: Gateway, workflow: WorkflowId, alias: str, refusal: EWMSError) -> EWMSError:
    """Return why the broker refuses consumers of `alias`: the gateway's reason if there is one, else `refusal`."""
    if not isinstance(refusal, Unreachable):
        try:
            await fetch_public_profile(gateway, workflow, alias, Use.CONSUME)
        except Refused as error:
            return error
        except (EWMSError, ValueError):
            return refusal
    return refusal
