"""Create, change, copy and delete templates, with their surveys and labels, for principals."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from runtime.clock import stored_now
from runtime.once import Once
from schemas.automation.surveys import Survey
from schemas.automation.trees import TemplateDocument, TemplateKind, Work, name_edge_list
from schemas.errors import Broken
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId, TemplateId, TemplateNodeId
from schemas.rules.secret_names import MASK
from wms.encryption import NoKey, SecretKeys
from wms.engine.life.graph import list_broken_rules
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right, find_delegated, make_tree_filter
from wms.trees.graphs.graph_rules import TreeRefused, explain_rule, make_bare_graph
from wms.trees.inputs.launch_values import seal_variables
from wms.trees.inputs.surveys import map_passwords, read_survey
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.given_secrets import seal_given_values
from wms.trees.templates.label_service import LabelService
from wms.trees.templates.template_fields import read_template_fields
from wms.trees.templates.template_store import ChangesWithTemplates, TemplateStore

#: Raises an error if the principal may not let a template of the organization do this work.
WorkCheck = Callable[[Principal, OrganizationId | None, Work | None], Awaitable[None]]


class TemplateService:
    """Templates of all kinds. Approvals are made with their nodes, in `wms.trees.templates.node_service`."""

    def __init__(
        self, templates: TemplateStore, organizations: Organizations, labels: LabelService, keys: SecretKeys
    ) -> None:
        self._templates = templates
        self._keys = keys
        self._labels = labels
        self._organizations = organizations
        #: The packages that run works add their checks here.
        self.work_checks: list[WorkCheck] = []

    async def get_template(
        self, principal: Principal, template_id: TemplateId, kind: TemplateKind | None = None
    ) -> TemplateDocument:
        """Return a template.

        Raises:
            NotFound: there is none of this kind.
            Forbidden: the principal may not see it.
        """
        return await self._load_template(principal, template_id, Action.SEE_TREE, kind)

    async def _load_template(
        self, principal: Principal, template_id: TemplateId, action: Action, kind: TemplateKind | None = None
    ) -> TemplateDocument:
        template = await self._templates.load_template(template_id, kind)
        owner = template.id
        if template.owned_by is not None and principal.delegated:
            owner = (await self._templates.load_template_of(template.owned_by))[0].id
        check_tree_right(principal, action, template.organization, [owner])
        return template

    async def list_templates(
        self, principal: Principal, query: Mapping[str, Any], *, sort: Sequence[tuple[str, int]], skip: int, limit: int
    ) -> tuple[list[TemplateDocument], int]:
        """Return a page of the templates that match `query` and that the principal sees, and how many do in all."""
        delegated = find_delegated(principal, Action.SEE_TREE)
        own: dict[str, Any] | None = None
        if delegated:
            # Approvals have no roles of their own: who sees a node sees its approval.
            nodes = await self._templates.list_node_ids(delegated)
            own = {"$or": [{"_id": {"$in": delegated}}, {"owned_by": {"$in": nodes}}]}
        seen = make_tree_filter(principal, own)
        wanted = {"$and": [dict(query), seen]}
        found = await self._templates.list_templates(wanted, sort=list(sort), skip=skip, limit=limit)
        return found, await self._templates.count_templates(wanted)

    async def create_template(
        self, principal: Principal, kind: TemplateKind, raw: Mapping[str, Any], *, once: Once | None = None
    ) -> TemplateDocument:
        """Create a template from the fields of a request, and return it.

        Raises:
            FieldsRefused: fields are wrong, or the name is taken.
            Forbidden: the principal may not create templates in this organization or outside of all, or may not do
                the template's work.
        """
        organization = await self._read_organization(raw.get("organization"))
        check_tree_right(principal, Action.CHANGE_TREE, organization)
        # YAML is read by Python code: a large text takes seconds.
        fields = await asyncio.to_thread(read_template_fields, kind, raw, None, is_partial=False)
        await self._check_work(principal, organization, fields.get("work"))
        now = stored_now()
        template = TemplateDocument(
            id=await self._templates.take_template_id(),
            kind=kind,
            organization=organization,
            created=now,
            modified=now,
            created_by=principal.subject,
            modified_by=principal.subject,
            **fields,
        )
        return await self._save_new([template], once)

    async def _save_new(self, made: Sequence[TemplateDocument], once: Once | None) -> TemplateDocument:
        """Store new templates; return the first, or the one that an earlier request with the same identity made."""
        earlier = await self._templates.save(made=made, once=once, by=made[0].created_by)
        return made[0] if earlier is None else await self._templates.load_template(TemplateId(earlier))

    async def _check_work(self, principal: Principal, organization: OrganizationId | None, work: Work | None) -> None:
        for check in self.work_checks:
            await check(principal, organization, work)

    async def _read_organization(self, raw: Any) -> OrganizationId | None:
        if raw is None or raw == "":
            return None
        name = OrganizationId(str(raw))
        if name != DEFAULT_ORGANIZATION and await self._organizations.find_organization(name) is None:
            raise FieldsRefused({"organization": [f"there is no organization {name!r}"]})
        return name

    async def change_template(
        self, principal: Principal, template_id: TemplateId, kind: TemplateKind, raw: Mapping[str, Any]
    ) -> TemplateDocument:
        """Set the fields of `raw`, and return the template. Runs that have begun do not change.

        Raises:
            NotFound: the principal does not see the template, or it is of another kind.
            Forbidden: the principal may not change it, not give it to the new organization, or not do its new work.
            FieldsRefused: fields have wrong values.
            TreeRefused: the graph breaks a rule of the new topology.
        """
        template = await self._load_template(principal, template_id, Action.CHANGE_TREE, kind)
        fields = await asyncio.to_thread(read_template_fields, kind, raw, template, is_partial=True)
        if "organization" in raw and kind is not TemplateKind.APPROVAL:  # an approval goes where its tree goes
            fields["organization"] = await self._read_organization(raw["organization"])
            if fields["organization"] != template.organization:
                check_tree_right(principal, Action.CHANGE_TREE, template.organization)
                check_tree_right(principal, Action.CHANGE_TREE, fields["organization"])
        changed = seal_variables(template, template.model_copy(update=fields), self._keys.seal)
        if (changed.work, changed.organization) != (template.work, template.organization):
            await self._check_work(principal, changed.organization, changed.work)
        if changed.topology is not template.topology:
            check_topology(changed)
        if changed.organization == template.organization:
            return await self.save_change(principal, changed)
        if changed.all_labels and changed.organization is None:
            text = "a template with labels, or with nodes that have some, needs one; take the labels away first"
            raise FieldsRefused({"organization": [text]})
        saved = await self.save_change(principal, changed, await self._move_approvals(changed))
        await self._labels.settle_labels(template, saved, by=principal.subject)
        return saved

    async def _move_approvals(self, template: TemplateDocument) -> list[TemplateDocument]:
        """Return the approvals of a template in its organization. They go where it goes."""
        owned = await self._templates.list_templates({"owned_by": {"$in": [node.id for node in template.nodes]}})
        return [each.model_copy(update={"organization": template.organization}) for each in owned]

    async def save_change(
        self,
        principal: Principal,
        changed: TemplateDocument,
        others: Sequence[TemplateDocument] = (),
        *,
        once: Once | None = None,
        also: ChangesWithTemplates | None = None,
    ) -> TemplateDocument:
        """Store a changed template, others with it, and the changes of `also`; return it as it is now."""
        changed = changed.model_copy(update={"modified": stored_now(), "modified_by": principal.subject})
        earlier = await self._templates.save(
            changed=[changed, *others], once=once, answer=changed.id, by=principal.subject, also=also
        )
        if earlier is not None:
            return await self._templates.load_template(TemplateId(earlier))
        return changed.model_copy(update={"rev": changed.rev + 1})

    async def delete_template(self, principal: Principal, template_id: TemplateId, kind: TemplateKind) -> None:
        """Delete a template. Nodes that wrap it wrap nothing from now on.

        Raises:
            TemplateInUse: it has active jobs.
        """
        template = await self._load_template(principal, template_id, Action.CHANGE_TREE, kind)
        await self._templates.delete_template(template, by=principal.subject)
        await self._labels.release_labels(template.organization, template.all_labels)

    async def set_survey(
        self,
        principal: Principal,
        template_id: TemplateId,
        kind: TemplateKind,
        raw: Any,
        *,
        once: Once | None = None,
    ) -> TemplateDocument:
        """Set the survey of a template, and return the template. An empty object, or None, removes the survey. A
        repeated request changes nothing.

        Raises:
            SurveyRefused: the survey has a fault.
        """
        template = await self._load_template(principal, template_id, Action.CHANGE_TREE, kind)
        if await self._templates.find_earlier(once) is not None:
            return template
        survey = Survey()
        if raw not in (None, {}):
            survey = read_survey(raw, kept=map_passwords(template.survey, self._read_kept))
        sealed = template.model_copy(update={"survey": map_passwords(survey, self._keys.seal)})
        changed = seal_variables(template, sealed, self._keys.seal)
        also = partial(seal_given_values, template=changed, seal=self._keys.seal)
        return await self.save_change(principal, changed, once=once, also=also)

    def _read_kept(self, stored: Any) -> Any:
        """Return a stored secret, or the mask if no key fits. Then the secret must be given anew."""
        try:
            return self._keys.unseal(stored)
        except (Broken, NoKey):
            return MASK

    async def list_missing(self, template: TemplateDocument) -> list[TemplateNodeId]:
        """Return the ids of the nodes of a template that wrap nothing, or nothing that exists."""
        names = await self._templates.name_templates(node.template for node in template.nodes if node.template)
        return [node.id for node in template.nodes if node.template not in names]

    async def find_existing(self, ids: Iterable[TemplateId | None]) -> frozenset[TemplateId | None]:
        """Return those of the template `ids` whose templates exist."""
        return frozenset(await self._templates.name_templates(each for each in ids if each is not None))

    async def load_wrapped(self, template: TemplateDocument) -> dict[TemplateId, TemplateDocument]:
        """Return the templates that the nodes of a template wrap, by id. Leave out those that do not exist."""
        return await self.load_templates(node.template for node in template.nodes)

    async def load_templates(self, ids: Iterable[TemplateId | None]) -> dict[TemplateId, TemplateDocument]:
        """Return the templates `ids`, by id. Leave out those that do not exist."""
        wanted = sorted({each for each in ids if each is not None})
        found = await self._templates.list_templates({"_id": {"$in": wanted}})
        return {each.id: each for each in found}

    async def copy_template(
        self, principal: Principal, template_id: TemplateId, name: str, *, once: Once | None = None
    ) -> TemplateDocument:
        """Copy a template with its graph, its survey and its labels. Approvals are copied, other templates shared.

        A delegated role on the template gives no right to make another one in its organization.
        """
        template = await self._load_template(principal, template_id, Action.SEE_TREE)
        check_tree_right(principal, Action.CHANGE_TREE, template.organization)
        now, by = stored_now(), principal.subject
        fresh = {"created": now, "modified": now, "created_by": by, "modified_by": by, "rev": 0, "grants": ()}
        node_ids = dict(
            zip(
                [node.id for node in template.nodes],
                await self._templates.take_node_ids(len(template.nodes)),
                strict=True,
            )
        )
        approvals = await self._templates.list_templates({"owned_by": {"$in": list(node_ids)}})
        copies: dict[TemplateId, TemplateDocument] = {}
        for approval in approvals:
            owner = node_ids[approval.owned_by or TemplateNodeId(0)]
            new = {"id": await self._templates.take_template_id(), "owned_by": owner}
            copies[approval.id] = approval.model_copy(update={**fresh, **new})
        nodes = tuple(
            node.model_copy(
                update={
                    "id": node_ids[node.id],
                    "template": copies[node.template].id if node.template in copies else node.template,
                    "created": now,
                    **{
                        name_edge_list(kind): tuple(node_ids[child] for child in children)
                        for kind, children in node.edges.items()
                    },
                }
            )
            for node in template.nodes
        )
        new_id = await self._templates.take_template_id()
        copied = template.model_copy(
            update={**fresh, "id": new_id, "name": name or f"{template.name} @ {now:%H:%M:%S}", "nodes": nodes}
        )
        return await self._save_new([copied, *copies.values()], once)


def check_topology(template: TemplateDocument) -> None:
    """Check that the graph of `template` obeys its topology.

    Raises:
        TreeRefused: it does not; the error tells of the first broken rule.
    """
    for broken in list_broken_rules(make_bare_graph(template.topology, template.nodes)):
        reason, hint = explain_rule(broken, template.nodes, template.topology)
        ids = [template.nodes[number].id for number in broken.nodes]
        raise TreeRefused(reason, rule=broken.rule, node_ids=ids, hint=hint)
