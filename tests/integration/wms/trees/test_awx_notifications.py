"""Notifications over HTTP, to real receivers on loopback. Tests name the contract's rows they prove."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from tests.integration.wms.trees.receivers import HookReceiver, MailReceiver, receive_hooks, receive_mails
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx
from tests.integration.wms.trees.test_tree_commands import run_command
from tests.waiting import eventually
from wms.encryption import make_key
from wms.settings import WmsSettings

__all__ = ["awx"]

SECRET = "correct-horse"
NODES = "/workflow_job_template_nodes"


@pytest.fixture
def wms_settings(wms_settings: WmsSettings) -> WmsSettings:
    """A WMS that may send to this machine, with short pauses."""
    more = {"notifications_to_local_hosts": True, "notification_timeout_s": 10.0, "notification_pause_s": 0.05}
    return wms_settings.model_copy(
        update={**more, "secret_keys": (SecretStr(make_key()),), "public_url": "https://ewms.example.org"}
    )


@pytest.fixture
async def hook() -> AsyncIterator[HookReceiver]:
    """A webhook."""
    async with receive_hooks() as receiver:
        yield receiver


@pytest.fixture
async def mail() -> AsyncIterator[MailReceiver]:
    """A mail server."""
    async with receive_mails() as receiver:
        yield receiver


async def make_hook(awx: AwxWorld, url: str, name: str = "hook", **fields: Any) -> int:
    """Create a notification template for a webhook."""
    configuration = {"url": url, "password": SECRET, "username": "ada", "headers": {"X-Token": SECRET, "X-Team": "red"}}
    raw = {"name": name, "organization": "default", "notification_type": "webhook", **fields}
    made = await awx.ada.post("/notification_templates/", {"notification_configuration": configuration, **raw})
    return int(made["id"])


async def attach(awx: AwxWorld, path: str, template: int, *names: str) -> None:
    """Put a notification template into lists."""
    for name in names:
        body = {"id": template, "associate": True}
        await awx.ada.post(f"{path}/notification_templates_{name}/", body, code=204)


async def test_a33_a34_a35_a_tree_tells_of_its_start_and_its_end_with_the_status_of_each_node(
    awx: AwxWorld, hook: HookReceiver
) -> None:
    ada = awx.ada
    build, rest = await awx.make_job("build"), await awx.make_job("test")
    tree = await awx.make_tree()
    first = await awx.add_node(tree, unified_job_template=build, identifier="a")
    for kind, wrapped in (("success", rest), ("failure", build)):
        child = await awx.add_node(tree, unified_job_template=wrapped, identifier=kind)
        await ada.post(f"{NODES}/{first}/{kind}_nodes/", {"id": child}, code=204)
    path = f"/workflow_job_templates/{tree}"
    template = await make_hook(awx, hook.url)
    await attach(awx, path, template, "started", "success", "error")
    run = (await ada.post(f"{path}/launch/"))["id"]
    [started] = await hook.until(1)
    assert (started.method, started.path, started.id) == ("POST", "/hook", f"{run}-started-{template}")
    assert (started.body["id"], started.body["status"], started.body["name"]) == (run, "running", "release")
    assert started.body["url"] == f"https://ewms.example.org/api/v2/workflow_jobs/{run}/"
    assert started.headers["authorization"] == "Basic " + base64.b64encode(f"ada:{SECRET}".encode()).decode()
    assert (started.headers["x-token"], started.headers["x-team"]) == (SECRET, "red")
    await awx.trees.end("build")
    await awx.trees.end("test", "failed")
    over = await awx.trees.until_over(run)
    _, ended = await hook.until(2)
    jobs = [state.child_run for state in over.nodes]
    assert ended.id == f"{run}-error-{template}"
    assert (ended.body["status"], ended.body["created_by"]) == ("failed", "ada")
    assert ended.body["finished"] is not None
    numbers = [run * 20_000 + place for place in range(3)]
    assert ended.body["body"] == (
        "Workflow job summary:\n\n"
        f'- node #{numbers[0]} spawns job #{jobs[0]}, "build", which finished with status successful.\n'
        f'- node #{numbers[1]} spawns job #{jobs[1]}, "test", which finished with status failed.\n'
        f"- node #{numbers[2]} spawns no job."
    )
    listed = await until_sent(awx, f"/workflow_jobs/{run}/notifications/", 2)
    assert [each["receiver_id"] for each in listed] == [started.id, ended.id]
    shown = await ada.get(f"/notification_templates/{template}/")
    assert [each["status"] for each in shown["summary_fields"]["recent_notifications"]] == ["successful"] * 2
    assert (await ada.get(f"/notification_templates/{template}/notifications/"))["count"] == 2
    assert len(hook.hits) == 2


async def until_sent(awx: AwxWorld, path: str, n: int) -> list[dict[str, Any]]:
    """Return the notifications of a list once `n` of them are over."""
    found: list[dict[str, Any]] = []

    async def are_over() -> bool:
        found[:] = (await awx.ada.get(path))["results"]
        return sum(each["status"] != "pending" for each in found) >= n

    await eventually(are_over)
    return found


async def make_mail(awx: AwxWorld, port: int, *recipients: str, **fields: Any) -> int:
    """Create a notification template for mail."""
    configuration = {"host": "127.0.0.1", "port": port, "sender": "ewms@example.org", "recipients": list(recipients)}
    raw = {"name": "mail", "organization": "default", "notification_type": "email", **fields}
    more = {"username": "ada", "password": SECRET}
    made = await awx.ada.post(
        "/notification_templates/", {"notification_configuration": {**configuration, **more}, **raw}
    )
    return int(made["id"])


async def test_a33_jobs_tell_by_their_template_and_their_organization_once_each_and_mail_works(
    awx: AwxWorld, hook: HookReceiver, mail: MailReceiver
) -> None:
    ada = awx.ada
    build = await awx.make_job("build")
    [organization] = (await ada.get("/organizations/?name=default"))["results"]
    template, by_mail = (
        await make_hook(awx, hook.url),
        await make_mail(awx, mail.port, "eve@example.org", "x@example.org"),
    )
    above = f"/organizations/{organization['id']}"
    assert f"{V2}{above}/notification_templates_approvals/" in organization["related"].values()
    # The same template in both lists: the receiver is told once.
    await attach(awx, above, template, "success")
    await attach(awx, f"/job_templates/{build}", template, "success", "success")
    await attach(awx, f"/job_templates/{build}", by_mail, "any")
    assert (await ada.get(f"/job_templates/{build}/notification_templates_any/"))["count"] == 1
    assert (await ada.get(f"/job_templates/{build}/notification_templates_success/"))["count"] == 2
    run = (await ada.post(f"/job_templates/{build}/launch/"))["id"]
    await awx.trees.end("build")
    [sent] = await mail.until(1)
    assert (sent.sender, sent.recipients) == ("ewms@example.org", ["eve@example.org", "x@example.org"])
    assert base64.b64decode(sent.login).decode().split("\0")[1:] == ["ada", SECRET]
    link = f"https://ewms.example.org/api/v2/jobs/{run}/"
    assert sent.message["Subject"] == f'Job #{run} "build" is successful: {link}'
    assert sent.message["X-EWMS-Notification"] == f"{run}-success-{by_mail}"
    assert sent.text.strip() == sent.message["Subject"]
    await until_sent(awx, f"/jobs/{run}/notifications/", 2)
    assert [hit.id for hit in hook.hits] == [f"{run}-success-{template}"]
    body = {"id": by_mail, "disassociate": True}
    await ada.post(f"/job_templates/{build}/notification_templates_success/", body, code=204)
    assert (await ada.get(f"/job_templates/{build}/notification_templates_any/"))["count"] == 0
    assert (await ada.get(f"/job_templates/{build}/notification_templates_error/"))["count"] == 1


async def test_a33_an_approval_tells_that_it_waits_and_how_it_was_decided(awx: AwxWorld, hook: HookReceiver) -> None:
    ada = awx.ada
    tree = await awx.make_tree()
    node = await awx.add_node(tree, identifier="sign")
    await ada.post(f"{NODES}/{node}/create_approval_template/", {"name": "Sign it", "timeout": 0})
    template = await make_hook(awx, hook.url)
    await attach(awx, f"/workflow_job_templates/{tree}", template, "approvals")
    run = (await ada.post(f"/workflow_job_templates/{tree}/launch/"))["id"]
    approval = await awx.trees.until_job(run, 0)
    [waits] = await hook.until(1)
    assert waits.id == f"{approval.id}-running-{template}"
    assert waits.body["message"].startswith(f'The approval #{approval.id} "Sign it" waits for a decision: ')
    await ada.post(f"/workflow_approvals/{approval.id}/approve/", {}, code=204)
    assert (await hook.until(2))[1].id == f"{approval.id}-approved-{template}"
    assert (await ada.get(f"/workflow_approvals/{approval.id}/notifications/"))["count"] == 2


async def test_a_failing_receiver_fails_no_tree_is_tried_again_with_one_id_and_its_failure_is_shown(
    awx: AwxWorld, hook: HookReceiver
) -> None:
    ada = awx.ada
    tree = await awx.make_tree()
    await awx.add_node(tree, identifier="a")
    path = f"/workflow_job_templates/{tree}"
    template = await make_hook(awx, hook.url)
    gone = await make_hook(awx, hook.url.replace("/hook", "/gone"), name="gone")
    await attach(awx, path, template, "success")
    await attach(awx, path, gone, "error")
    hook.codes = [500, 503]
    run = (await ada.post(f"{path}/launch/"))["id"]
    assert (await awx.trees.until_over(run)).status == "successful"
    assert len({hit.id for hit in await hook.until(3)}) == 1
    [sent] = await until_sent(awx, f"/workflow_jobs/{run}/notifications/", 1)
    assert (sent["status"], sent["attempts"], sent["error"]) == ("successful", 3, "")
    # 4xx is an answer for good, and a redirect is not followed.
    for code, text in ((403, "403"), (302, "not followed")):
        hook.codes = [code]
        tested = await ada.post(f"/notification_templates/{gone}/test/", code=202)
        assert tested["status"] == "pending"
        await until_sent(awx, f"/notifications/?id={tested['notification']}", 1)
        shown = await ada.get(f"/notifications/{tested['notification']}/")
        assert (shown["status"], shown["attempts"]) == ("failed", 1)
        assert text in shown["error"]
    recent = (await ada.get(f"/notification_templates/{gone}/"))["summary_fields"]["recent_notifications"]
    assert [each["status"] for each in recent] == ["failed", "failed"]
    assert "not followed" in recent[0]["error"]


async def make_apprise(awx: AwxWorld, hook: HookReceiver, name: str) -> str:
    """Create a notification template with two addresses, attach it to a new tree, and return the tree's path."""
    tree = await awx.make_tree(name)
    await awx.add_node(tree, identifier="a")
    urls = [hook.url.replace("http://", "json://").replace("/hook", f"/{each}") for each in ("one", "two")]
    raw = {"name": name, "organization": "default", "notification_type": "apprise"}
    made = await awx.ada.post("/notification_templates/", {**raw, "notification_configuration": {"urls": urls}})
    await attach(awx, f"/workflow_job_templates/{tree}", made["id"], "success")
    return f"/workflow_job_templates/{tree}"


async def test_of_several_addresses_those_that_fail_are_tried_again_and_the_others_are_not(
    awx: AwxWorld, hook: HookReceiver
) -> None:
    path = await make_apprise(awx, hook, "many")
    hook.codes = [200, 503, 503]
    run = (await awx.ada.post(f"{path}/launch/"))["id"]
    [sent] = await until_sent(awx, f"/workflow_jobs/{run}/notifications/", 1)
    assert (sent["status"], sent["attempts"], sent["error"]) == ("successful", 3, "")
    assert [hit.path for hit in hook.hits] == ["/one", "/two", "/two", "/two"]
    # All fail at first.
    hook.codes = [503, 503]
    run = (await awx.ada.post(f"{path}/launch/"))["id"]
    [sent] = await until_sent(awx, f"/workflow_jobs/{run}/notifications/", 1)
    assert (sent["status"], sent["attempts"]) == ("successful", 2)
    assert [hit.path for hit in hook.hits[4:]] == ["/one", "/two", "/one", "/two"]


async def test_no_address_gets_a_notification_twice_because_the_addresses_have_changed_meanwhile(
    awx: AwxWorld, hook: HookReceiver
) -> None:
    path = await make_apprise(awx, hook, "moved")
    hook.codes = [200, *[503] * 20]
    run = (await awx.ada.post(f"{path}/launch/"))["id"]
    await hook.until(2)
    [template] = (await awx.ada.get("/notification_templates/"))["results"]
    turned = {"urls": [hook.url.replace("http://", "json://").replace("/hook", f"/{each}") for each in ("two", "one")]}
    await awx.ada.call("PATCH", f"{V2}{template['url'].removeprefix(V2)}", {"notification_configuration": turned})
    [failed] = await until_sent(awx, f"/workflow_jobs/{run}/notifications/", 1)
    assert failed["status"] == "failed"
    assert failed["error"] == "its notification template was changed when some of its addresses had it already"
    assert [hit.path for hit in hook.hits].count("/one") == 1


async def test_secrets_are_stored_encrypted_and_never_shown_and_a_new_receiver_does_not_get_them(
    awx: AwxWorld, hook: HookReceiver
) -> None:
    ada = awx.ada
    template = await make_hook(awx, hook.url.replace("http://", f"http://bob:{SECRET}@"))
    path = f"/notification_templates/{template}/"
    shown = await ada.get(path)
    configuration = shown["notification_configuration"]
    assert (configuration["password"], configuration["url"]) == ("$encrypted$", hook.url.replace("hook", "$encrypted$"))
    assert configuration["headers"] == {"X-Token": "$encrypted$", "X-Team": "red"}
    urls = {"urls": [f"json://bob:{SECRET}@127.0.0.1:1/", f"json://127.0.0.1:1/{SECRET}"]}
    raw = {
        "name": "many",
        "organization": "default",
        "notification_type": "apprise",
        "notification_configuration": urls,
    }
    many = (await ada.post("/notification_templates/", raw))["id"]
    kept = await ada.call(
        "PATCH", f"{V2}/notification_templates/{many}/", {"notification_configuration": {"urls": ["$encrypted$"]}}
    )
    assert kept["notification_configuration"] == {"urls": ["$encrypted$"]}
    store = awx.world.wms.store
    for collection in ("notification_templates", "notifications", "inbox"):
        assert SECRET not in repr(await store.find(collection, {}))
    # The same receiver keeps its password behind the mask; another one must get its own.
    put = await ada.call("PUT", f"{V2}{path}", {**shown, "name": "renamed"})
    assert (put["name"], put["notification_configuration"]) == ("renamed", configuration)
    await ada.post(f"{path}test/", code=202)
    [hit] = await hook.until(1)
    assert (hit.headers["authorization"].split()[1], hit.headers["x-token"]) == (
        base64.b64encode(f"ada:{SECRET}".encode()).decode(),
        SECRET,
    )
    moved = {"notification_configuration": {**configuration, "url": "https://elsewhere.example.org/"}}
    refused = await ada.call("PATCH", f"{V2}{path}", moved, code=400)
    assert "give it again" in str(refused["notification_configuration"])
    tested = await ada.post(f"/notification_templates/{many}/test/", code=202)
    [failed] = await until_sent(awx, f"/notifications/?id={tested['id']}", 1)
    assert (failed["status"], failed["recipients"]) == ("failed", "json")
    assert SECRET not in str(failed)


async def test_a_custom_message_is_rendered_and_one_that_fails_gives_way_and_says_so(
    awx: AwxWorld, hook: HookReceiver
) -> None:
    ada = awx.ada
    tree = await awx.make_tree(ask_variables_on_launch=True)
    await awx.add_node(tree, identifier="a")
    raw: dict[str, Any] = {"name": "words", "organization": "default", "notification_type": "webhook"}
    raw["notification_configuration"] = {"url": hook.url}
    bad = {"success": {"message": "{{ job.nothing }}", "body": "no json"}, "error": {"message": "{% for"}}
    refused = await ada.post("/notification_templates/", {**raw, "messages": bad}, code=400)
    faults = sorted(refused["messages"])
    assert [text.partition(":")[0] for text in faults] == ["error.message", "success.body", "success.message"]
    body = '{"part": {{ 6 // (job.extra_vars.n | default(1)) }}, "of": {{ job.name | tojson }}}'
    messages = {"success": {"body": body}}
    template = (await ada.post("/notification_templates/", {**raw, "messages": messages}))["id"]
    path = f"/workflow_job_templates/{tree}"
    await attach(awx, path, template, "success")
    await ada.post(f"{path}/launch/", {"extra_vars": {"n": 2}})
    [hit] = await hook.until(1)
    assert hit.body == {"part": 3, "of": "release"}
    # The sample, by which the message was checked, has no such variable.
    run = (await ada.post(f"{path}/launch/", {"extra_vars": {"n": 0}}))["id"]
    hit = (await hook.until(2))[1]
    assert (hit.body["id"], hit.body["status"]) == (run, "successful")
    assert "the custom message was not used: body: ZeroDivisionError" in hit.body["message_fault"]
    [shown] = await until_sent(awx, f"/workflow_jobs/{run}/notifications/", 1)
    assert shown["message_fault"] == hit.body["message_fault"]


async def test_only_admins_change_notification_templates_and_auditors_read_them(
    awx: AwxWorld, hook: HookReceiver
) -> None:
    tree = await awx.make_tree()
    template = await make_hook(awx, hook.url)
    one, attached = (
        f"/notification_templates/{template}/",
        f"/workflow_job_templates/{tree}/notification_templates_error/",
    )
    assert (await awx.eve.get(one))["name"] == "hook"
    assert (await awx.eve.get("/notification_templates/"))["count"] == 1
    assert (await awx.bob.get("/notification_templates/"))["count"] == 0
    await awx.bob.get(one, code=403)
    for user in (awx.eve, awx.bob):
        await user.post("/notification_templates/", {"name": "x", "organization": "default"}, code=403)
        await user.call("PATCH", f"{V2}{one}", {"name": "x"}, code=403)
        await user.call("DELETE", f"{V2}{one}", code=403)
        await user.post(f"{one}test/", code=403)
        await user.post(attached, {"id": template}, code=403)
    taken = {"name": "hook", "organization": "default", "notification_type": "webhook"}
    refused = await awx.ada.post(
        "/notification_templates/", {**taken, "notification_configuration": {"url": hook.url}}, code=400
    )
    assert "already exists" in refused["__all__"][0]
    await attach(awx, f"/workflow_job_templates/{tree}", template, "error")
    other = await awx.make_tree("other")
    await attach(awx, f"/workflow_job_templates/{other}", template, "error", "started")
    await awx.ada.call("DELETE", f"{V2}/workflow_job_templates/{other}/", code=204)
    links = await awx.world.wms.store.find("notification_links", {})
    assert [each["_id"] for each in links] == [f"template/{tree}/error/{template}"]
    assert "does not exist" in str(await awx.ada.post(attached, {"id": 999}, code=400))
    await awx.ada.post(attached, {"id": "x"}, code=400)
    copy = (await awx.ada.post(f"{one}copy/", {"name": "copy"}))["id"]
    assert (await awx.ada.get(f"/notification_templates/{copy}/"))["name"] == "copy"
    await awx.ada.call("DELETE", f"{V2}{one}", code=204)
    assert (await awx.ada.get(attached))["count"] == 0
    await awx.ada.get(one, code=404)


async def test_the_command_lets_a_receiver_be_told_and_shows_what_became_of_it(
    awx: AwxWorld, hook: HookReceiver
) -> None:
    tree = await awx.make_tree()
    await awx.add_node(tree, identifier="a")
    words = ("tree", "notify", "release", "ops")
    assert "no notification template is called 'ops'" in await run_command(awx, *words, status=4)
    made = int(await run_command(awx, *words, "--on", "started", "--webhook", hook.url))
    assert int(await run_command(awx, *words, "--on", "started", "--webhook", hook.url)) == made, "it can be repeated"
    assert "already exists" in await run_command(awx, *words, "--webhook", f"{hook.url}/other", status=2)
    assert int(await run_command(awx, *words, "--on", "any")) == made
    assert "'soon' is none of started, success" in await run_command(awx, *words, "--on", "soon", status=2)
    hook.codes = [404]
    run = int((await run_command(awx, "tree", "launch", "release")).split()[0])
    assert sorted(hit.id for hit in await hook.until(2)) == [f"{run}-started-{made}", f"{run}-success-{made}"]
    await until_sent(awx, f"/workflow_jobs/{run}/notifications/", 2)
    shown = await run_command(awx, "tree", "notifications", str(run))
    assert shown.count(f"to {hook.url.removesuffix('hook')}…") == 2
    assert "successful" in shown
    assert "the receiver answered 404" in shown
