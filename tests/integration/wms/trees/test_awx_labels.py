"""Labels over HTTP (rulings 1.12): objects of an organization, on templates and jobs, gone with their last use."""

from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx

__all__ = ["awx"]


async def test_a8_labels_are_created_joined_filtered_renamed_and_go_with_their_last_use(awx: AwxWorld) -> None:
    ada = awx.ada
    organization = (await ada.get("/organizations/?name=default"))["results"][0]["id"]
    tree, other = await awx.make_tree(), await awx.make_tree("other")
    path = f"/workflow_job_templates/{tree}/labels/"
    nightly = await ada.post(path, {"name": "nightly", "organization": organization})
    assert (nightly["type"], nightly["url"]) == ("label", f"{V2}/labels/{nightly['id']}/")
    await ada.post(path, {"name": "nightly", "organization": organization}, code=204)
    stable = await ada.post("/labels/", {"name": "stable", "organization": organization})
    again = await ada.post("/labels/", {"name": "stable", "organization": organization}, code=400)
    assert "already exists" in again["__all__"][0]
    await ada.post(path, {"id": stable["id"]}, code=204)
    assert [each["name"] for each in (await ada.get(path))["results"]] == ["nightly", "stable"]
    for wanted, n in ((f"organization={organization}", 2), ("organization=999", 0), ("organization__name=default", 2)):
        assert (await ada.get(f"{path}?{wanted}"))["count"] == n
    shown = await ada.get(f"/workflow_job_templates/{tree}/")
    assert shown["summary_fields"]["labels"]["results"] == [
        {"id": nightly["id"], "name": "nightly"},
        {"id": stable["id"], "name": "stable"},
    ]
    assert (await ada.get("/workflow_job_templates/?labels__name=stable"))["count"] == 1
    assert (await ada.get(f"/labels/?organization={organization}&name__icontains=NIGHT"))["count"] == 1
    renamed = await ada.call("PATCH", f"{V2}/labels/{stable['id']}/", {"name": "released"})
    assert (renamed["id"], renamed["name"]) == (stable["id"], "released")
    assert [each["name"] for each in (await ada.get(path))["results"]] == ["nightly", "released"]
    await ada.call("DELETE", f"{V2}/labels/{stable['id']}/", code=405)
    # The last use ends by taking the label away, or by the end of the template and of its jobs.
    await ada.post(f"/workflow_job_templates/{other}/labels/", {"id": stable["id"]}, code=204)
    await ada.post(path, {"id": stable["id"], "disassociate": True}, code=204)
    await ada.get(f"/labels/{stable['id']}/")
    await ada.call("DELETE", f"{V2}/workflow_job_templates/{other}/", code=204)
    await ada.get(f"/labels/{stable['id']}/", code=404)


async def test_a8_a_job_keeps_the_labels_of_its_launch_and_the_last_job_ends_them(awx: AwxWorld) -> None:
    ada = awx.ada
    tree = await awx.make_tree(ask_labels_on_launch=True)
    body = {"name": "nightly", "organization": "default"}
    nightly = await ada.post(f"/workflow_job_templates/{tree}/labels/", body)
    hot = await ada.post("/labels/", {"name": "hot", "organization": "default"})
    refused = await ada.post(f"/workflow_job_templates/{tree}/launch/", {"labels": [999]}, code=400)
    assert "999" in refused["labels"][0]
    run = (await ada.post(f"/workflow_job_templates/{tree}/launch/", {"labels": [hot["id"]]}))["id"]
    await awx.trees.until_over(run)
    await ada.post(f"/workflow_job_templates/{tree}/labels/", {"id": nightly["id"], "disassociate": True}, code=204)
    labels = (await ada.get(f"/workflow_jobs/{run}/labels/"))["results"]
    assert [each["id"] for each in labels] == [nightly["id"], hot["id"]]
    assert (await ada.get("/workflow_jobs/?labels__name=hot"))["count"] == 1
    await ada.call("DELETE", f"{V2}/workflow_jobs/{run}/", code=204)
    assert (await ada.get("/labels/"))["count"] == 0


async def test_a11_a13_a14_who_may_what_with_labels(awx: AwxWorld) -> None:
    tree = await awx.make_tree()
    path = f"/workflow_job_templates/{tree}/labels/"
    label = await awx.ada.post(path, {"name": "nightly"})
    assert (await awx.eve.get("/labels/"))["count"] == 1
    assert (await awx.bob.get("/labels/"))["count"] == 0
    await awx.bob.get(f"/labels/{label['id']}/", code=403)
    for user in (awx.eve, awx.bob):
        await user.post("/labels/", {"name": "x", "organization": "default"}, code=403)
        await user.post(path, {"name": "x"}, code=403)
        await user.call("PATCH", f"{V2}/labels/{label['id']}/", {"name": "x"}, code=403)
    assert "name" in await awx.ada.post(path, {"name": " "}, code=400)
    assert "organization" in await awx.ada.post(path, {"name": "x", "organization": "elsewhere"}, code=400)
    assert "organization" in await awx.ada.post("/labels/", {"name": "x"}, code=400)


async def test_1_3_a_node_gives_its_labels_to_its_job_if_the_template_asks_for_them(awx: AwxWorld) -> None:
    ada = awx.ada
    build = await awx.make_job("build", ask_labels_on_launch=True)
    plain, tree = await awx.make_job("test"), await awx.make_tree()
    node = await awx.add_node(tree, unified_job_template=build, identifier="b")
    other = await awx.add_node(tree, unified_job_template=plain, identifier="t")
    own = await ada.post(f"/job_templates/{build}/labels/", {"name": "stable", "organization": "default"})
    path = f"/workflow_job_template_nodes/{node}/labels/"
    assert (await ada.get(f"/workflow_job_template_nodes/{node}/"))["related"]["labels"] == f"{V2}{path}"
    made = await ada.post(path, {"name": "nightly", "organization": "default"})
    await ada.post(path, {"id": made["id"]}, code=204)
    refused = await ada.post(f"/workflow_job_template_nodes/{other}/labels/", {"id": made["id"]}, code=400)
    assert "not configured to prompt" in refused["detail"]
    await awx.eve.post(path, {"name": "x"}, code=403)
    assert [each["name"] for each in (await awx.eve.get(path))["results"]] == ["nightly"]
    renamed = await ada.call("PATCH", f"{V2}/labels/{made['id']}/", {"name": "weekly"})
    source = await ada.get(f"/workflow_job_templates/{tree}/graph/source/")
    assert [each.get("labels") for each in source["nodes"]] == [[renamed["name"]], None]

    run = (await ada.post(f"/workflow_job_templates/{tree}/launch/"))["id"]
    job = (await awx.trees.until_job(run, 0)).id
    # The job has the labels of its template, too.
    labels = (await ada.get(f"/jobs/{job}/labels/"))["results"]
    assert sorted(each["id"] for each in labels) == sorted((own["id"], made["id"]))
    assert (await ada.get(f"/jobs/{job}/"))["summary_fields"]["labels"]["results"] == [
        {"name": "stable"},
        {"name": "weekly"},
    ]
    assert (await ada.get("/jobs/?labels__name=stable"))["count"] == 1
    nodes = (await ada.get(f"/workflow_jobs/{run}/workflow_nodes/"))["results"]
    counts = [(await ada.get(each["related"]["labels"].removeprefix(V2)))["count"] for each in nodes]
    assert counts == [1, 0]
    await ada.post(f"/workflow_jobs/{run}/cancel/", code=202)

    # A whole graph gives and takes labels and prompts; one that a template does not ask for is a fault of its node.
    source["nodes"][1]["labels"] = ["weekly"]
    faulty = await ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/graph/", source, code=400)
    assert "'t'" in faulty["faults"][0]
    await ada.call("PATCH", f"{V2}/job_templates/{plain}/", {"ask_labels_on_launch": True, "ask_limit_on_launch": True})
    source["nodes"][1] |= {"labels": ["fresh"], "limit": "web"}
    assert (await ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/graph/", source)) == source
    assert (await ada.get(f"/workflow_job_template_nodes/{other}/"))["limit"] == "web"
    assert (await ada.get("/labels/?name=fresh"))["count"] == 1
    await ada.call("DELETE", f"{V2}/workflow_job_template_nodes/{other}/", code=204)
    assert (await ada.get("/labels/?name=fresh"))["count"] == 0, "the label goes with its last use"
    await ada.post(path, {"id": made["id"], "disassociate": True}, code=204)
    assert (await ada.get(path))["count"] == 0
