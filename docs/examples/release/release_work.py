"""What the nodes of the release do, their tests apart: build, deploy, and roll back.

    build_release       step list   builds the package; its name and checksum become artifacts
    deploy_release      flow        upload ──► switch ──► check: the flow fails if the site does not answer
    roll_back_release   step list   the site serves again what it served before

Run it: README.md.
"""

from typing import Any

import fake_site
from pydantic import ConfigDict

from ewms.flows import FlowContext, NodeDefine, SyncFuncNode, WorkflowDefine, WorkflowNode
from ewms.flows import register_workflow as register_flow
from ewms.steps import FormGenerator, FormPage, State, StepList, begin, register_workflow, step, task


class JobVariables(FormPage):
    """All variables of the node's job come as one page. A form takes those that it names."""

    model_config = ConfigDict(extra="ignore")


def ask_for_version(state: State) -> FormGenerator[Any]:
    class VersionPage(JobVariables):
        version: str

    page = yield VersionPage
    return page.model_dump()


def ask_for_former_package(state: State) -> FormGenerator[Any]:
    class FormerPackagePage(JobVariables):
        served_before: str

    page = yield FormerPackagePage
    return page.model_dump()


@step("Build the package")
def build_package(version: str) -> State:
    # The nodes after this one find these as their variables.
    return {"artifacts": {**fake_site.build_package(version), "served_before": fake_site.find_served()}}


@task("Build a release", initial_input_form=ask_for_version)
def build_release() -> StepList:
    return begin >> build_package


@step("Serve the former package")
def serve_former_package(served_before: str) -> State:
    fake_site.serve_package(served_before)
    return {"artifacts": {"served": served_before}}


@task("Roll a release back", initial_input_form=ask_for_former_package)
def roll_back_release() -> StepList:
    return begin >> serve_former_package


for _name in ("build_release", "roll_back_release"):
    register_workflow(name=_name, target="SYSTEM", description="", tag="release", search_phrase="%")


def upload(node: WorkflowNode, context: FlowContext) -> None:
    """Bring the package to the site's machines."""
    fake_site.upload_package(context["package"])


def switch(node: WorkflowNode, context: FlowContext) -> None:
    """Let the site serve it."""
    fake_site.serve_package(context["package"])


def check(node: WorkflowNode, context: FlowContext) -> None:
    """Look whether the site answers. What this raises fails the flow, and so the node of the tree."""
    fake_site.check_site(context["package"])
    node.append_result(f"the site serves {context['package']}")


register_flow(
    "deploy_release",
    WorkflowDefine(
        {
            "start": NodeDefine("upload", "switch", "", SyncFuncNode, upload),
            "switch": NodeDefine("switch", "check", "", SyncFuncNode, switch),
            "check": NodeDefine("check", "", "", SyncFuncNode, check),
        }
    ),
)
