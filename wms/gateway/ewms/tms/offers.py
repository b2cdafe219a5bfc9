"""The routes by which a TMS polls for taskforces to start and to stop. `confirmations` takes its reports.

Either events or these routes serve a schedd (`served_by` in the cluster map). These routes do not show taskforces of
schedds that events serve.
"""

from starlette.responses import Response

from runtime.clock import utc_now
from runtime.web.route import Call, Route, answer_json
from schemas.api.tms_routes import PendingStart
from schemas.errors import Rejected
from schemas.rules.submitters import submitter_name
from wms.fleet.work_offers import WorkOffers
from wms.gateway.roles import TMS, find_schedds

#: The header that names the user of a taskforce's jobs, as HTCondor's `accounting_group_user`.
SUBMITTER_HEADER = "EWMS-Submitter"

_QUERY = {"schedd": True, "collector": False}


class TmsRoutes:
    """Handlers of the /tms routes that hand out work."""

    def __init__(self, offers: WorkOffers) -> None:
        self._offers = offers

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/tms/pending-starter/taskforces",
                self.get_next_start,
                "Get the next taskforce to submit",
                roles=TMS,
                answer=PendingStart,
                query=_QUERY,
            ),
            Route(
                "GET",
                "/tms/pending-stopper/taskforces",
                self.get_next_stop,
                "Get the next taskforce to remove, or an empty object",
                roles=TMS,
                query=_QUERY,
            ),
        ]

    async def get_next_start(self, call: Call) -> Response:
        schedd = _read_schedd(call)
        offer = await self._offers.find_start(schedd) if schedd is not None else None
        if offer is None:
            return answer_json({})
        answer = answer_json({"taskforce": offer.taskforce, "task_directive": offer.task, "mqprofiles": offer.profiles})
        # The contract's objects have no field for it. A TMS that reads this header can account jobs to their user.
        answer.headers[SUBMITTER_HEADER] = submitter_name(offer.owner)
        return answer

    async def get_next_stop(self, call: Call) -> Response:
        schedd = _read_schedd(call)
        offer = await self._offers.find_stop(schedd, utc_now()) if schedd is not None else None
        return answer_json(offer or {})


def _read_schedd(call: Call) -> str | None:
    """Return the schedd that the caller polls for; None if the caller's token is for other schedds.

    Raises:
        Rejected: the query names no schedd.
    """
    schedd = call.request.query_params.get("schedd")
    if not schedd:
        raise Rejected("Missing required query parameter: schedd")
    schedds = find_schedds(call.caller)
    return schedd if schedds is None or schedd in schedds else None
