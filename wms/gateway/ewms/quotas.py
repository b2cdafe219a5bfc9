"""The routes of quotas: how many workflows users and organizations may have. Operators change them while WMS runs."""

from functools import partial

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.operators import OrganizationQuotaSeen, QuotaRequest, QuotasAnswer, QuotaSeen
from schemas.errors import Rejected
from wms.fleet.choices.fleet_settings import (
    FleetSettings,
    OrganizationQuota,
    Quota,
    UserQuota,
    set_organization_quota,
    set_quota,
)
from wms.gateway.roles import Role
from wms.shared_document import SharedDocument


class QuotaRoutes:
    """Handlers of /quotas. `usual` is the quota in the settings of WMS."""

    def __init__(self, settings: SharedDocument[FleetSettings], usual: Quota) -> None:
        self._settings = settings
        self._usual = usual

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "GET",
                "/quotas",
                self.list_quotas,
                "List how many workflows users and organizations may have",
                roles=frozenset({Role.OPS, Role.AUDITOR}),
                answer=QuotasAnswer,
            ),
            Route(
                "PUT",
                "/quotas",
                self.set_quota,
                "Say how many workflows one user, every user or an organization may have",
                roles=frozenset({Role.OPS}),
                body=QuotaRequest,
                answer=QuotasAnswer,
                errors=(413,),
            ),
        ]

    async def list_quotas(self, _: Call) -> Response:
        return self._answer_quotas(await self._settings.read())

    async def set_quota(self, call: Call) -> Response:
        body: QuotaRequest = call.body
        who, numbers = call.caller.subject, {"workflows": body.workflows, "workflows_waiting": body.workflows_waiting}
        if not body.organization:
            user_quota = UserQuota(user=body.user, **numbers)
            return self._answer_quotas(await self._settings.change(who, partial(set_quota, quota=user_quota)))
        if body.user:
            raise Rejected(
                "'organization': must not be there with 'user': a quota is of a user or of an organization",
                hint="send two requests",
            )
        quota = OrganizationQuota(organization=body.organization, **numbers)
        return self._answer_quotas(await self._settings.change(who, partial(set_organization_quota, quota=quota)))

    def _answer_quotas(self, settings: FleetSettings) -> Response:
        return answer_json(
            QuotasAnswer(
                workflows=self._usual.max_workflows,
                workflows_waiting=self._usual.max_waiting,
                quotas=[QuotaSeen(**quota.model_dump()) for quota in settings.quotas],
                organizations=[OrganizationQuotaSeen(**quota.model_dump()) for quota in settings.organization_quotas],
            )
        )
