"""What people decide about versions, and what builds bring: the whole of it without I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.builds import BuiltImage, GitSource, SyncedImage
from schemas.automation.catalogue import CatalogueTask, TaskStatus
from schemas.errors import Conflict, Forbidden, NotFound, Rejected
from tests.unit.wms.catalogue.making import (
    COMMIT,
    DIGEST,
    IMAGE,
    NOW,
    OTHER,
    OTHER_DIGEST,
    RECIPE,
    SYNCED,
    approve,
    build,
    create,
    fail_build,
    fail_look,
    look,
    make_in,
    new_run,
    reject,
    statuses,
    tell,
)
from wms.catalogue.life.run_news import RunNews, RunProgress
from wms.catalogue.life.task_decisions import change_recipe, pin_version, take_build_news
from wms.catalogue.life.task_looks import begin_look
from wms.catalogue.life.version_parts import get_latest, get_used

READY = TaskStatus.READY
NOT_PENDING = [TaskStatus.BUILDING, TaskStatus.SYNCING, TaskStatus.READY, TaskStatus.REJECTED, TaskStatus.FAILED]


def test_c27_an_approved_version_is_built_and_says_who_decided() -> None:
    task = approve(look(create()), reason="read it")
    version = get_latest(task)
    assert (version.status, version.decided_by, version.decision) == (TaskStatus.BUILDING, "boss", "read it")
    assert version.build is not None
    assert version.build.id == version.last_build == "7-1-1"
    assert set(version.syncs) == {"north", "south"}


def test_nothing_is_approved_before_its_commit_is_known() -> None:
    with pytest.raises(Conflict, match="the commit of version 1 is not known yet"):
        approve(create())


def test_an_approval_names_the_commit_of_the_version_and_a_rejection_needs_none() -> None:
    task = look(create())
    with pytest.raises(Rejected, match="'commit'") as refused:
        approve(task, commit="")
    assert COMMIT in (refused.value.hint or "")
    with pytest.raises(Conflict, match=f"version 1 has another commit: {COMMIT}"):
        approve(task, commit=OTHER)
    assert statuses(reject(task, commit="")) == ["Rejected"]


@pytest.mark.parametrize("approves", [True, False])
@pytest.mark.parametrize("status", NOT_PENDING)
def test_only_what_waits_can_be_decided(status: TaskStatus, approves: bool) -> None:
    with pytest.raises(Conflict, match=f"the version is {status.value}"):
        approve(make_in(status), approves=approves)


def test_an_unknown_version_is_not_there() -> None:
    with pytest.raises(NotFound, match="task 7 has no version 9"):
        approve(look(create()), number=9)


def test_a_superseded_version_cannot_be_approved_any_more() -> None:
    with pytest.raises(Conflict, match="the version is Rejected"):
        approve(look(look(create()), OTHER), number=1)


@pytest.mark.parametrize(
    ("who", "author", "needs_another", "may"),
    [
        ("ada", "ada", False, True),
        ("ada", "ada", True, False),  # the author of the version, and the owner of the task
        ("bob", "bob", True, False),  # the author of the version alone
        ("ada", "bob", True, False),  # the owner of the task alone
        ("ada", "webhook", True, False),
        ("eve", "ada", True, True),
    ],
)
def test_where_the_organization_says_so_another_person_approves(
    who: str, author: str, needs_another: bool, may: bool
) -> None:
    task = look(create())
    task = task.model_copy(update={"versions": (get_latest(task).model_copy(update={"author": author}),)})
    if may:
        assert statuses(approve(task, who=who, needs_another=needs_another)) == ["Building"]
        return
    with pytest.raises(Forbidden, match="somebody else than its author"):
        approve(task, who=who, needs_another=needs_another)
    # To reject one's own work is always possible.
    assert statuses(reject(task, who=who, needs_another=needs_another)) == ["Rejected"]


def test_a_rejection_says_who_and_why() -> None:
    assert (
        get_latest(reject(look(create()), reason="it downloads code")).reason == "rejected by boss: it downloads code"
    )
    assert get_latest(reject(create())).reason == "rejected by boss"


def test_c15_c16_a_version_is_ready_when_the_image_is_at_every_location() -> None:
    building = approve(look(create()))
    syncing = tell(building, image=IMAGE)
    assert statuses(syncing) == ["Syncing"]
    assert get_latest(syncing).digest == DIGEST
    waiting = tell(syncing, image=IMAGE, reason="location 'south': no route")
    assert (statuses(waiting), get_latest(waiting).reason) == (["Syncing"], "location 'south': no route")
    # While the step is tried again the run gives no reason: the last one stays.
    assert tell(waiting, image=IMAGE) == waiting
    ready = tell(waiting, progress=RunProgress.ENDED_WELL, image=IMAGE, synced=SYNCED)
    version = get_latest(ready)
    assert (version.status, version.reason, version.build, ready.ready_version) == (READY, "", None, 1)
    assert version.images == {"north": "/images/north", "south": "/images/south"}


@pytest.mark.parametrize(
    ("image", "synced", "reason"),
    [
        (None, SYNCED, "the builder has ended without an image"),
        (IMAGE, {}, "the builder has ended without the image at: north, south"),
        (IMAGE, {"north": SYNCED["north"]}, "the builder has ended without the image at: south"),
        (
            IMAGE,
            {**SYNCED, "south": SyncedImage(digest=OTHER_DIGEST, image="/images/south")},
            "the builder has ended without the image at: south",
        ),
    ],
)
def test_r3_a_run_that_ends_well_without_the_image_everywhere_has_failed(
    image: BuiltImage | None, synced: dict[str, SyncedImage], reason: str
) -> None:
    task = tell(approve(look(create())), progress=RunProgress.ENDED_WELL, image=image, synced=synced)
    assert (statuses(task), get_latest(task).reason, task.ready_version) == (["Failed"], reason, None)


@pytest.mark.parametrize("task", [approve(look(create())), tell(approve(look(create())), image=IMAGE)])
def test_c14_a_failed_build_says_why(task: CatalogueTask) -> None:
    failed = fail_build(task, "Dockerfile: there is none in the directory")
    assert (statuses(failed), get_latest(failed).reason) == (["Failed"], "Dockerfile: there is none in the directory")
    assert get_latest(failed).build is None


def test_news_of_a_build_that_is_over_change_nothing() -> None:
    ready = make_in(READY)
    assert fail_build(ready) == ready
    assert take_build_news(ready, "7-9-9", RunNews(progress=RunProgress.FAILED), NOW) == ready


def test_a_failed_new_version_leaves_the_old_one_in_use() -> None:
    task = fail_build(approve(look(make_in(READY), OTHER)))
    assert statuses(task) == ["Ready", "Failed"]
    assert pin_version(task).number == 1


def test_an_older_build_that_ends_later_does_not_take_over() -> None:
    first = approve(look(create()))
    both = approve(look(first, OTHER))
    second_ready = build(both)
    assert second_ready.ready_version == 2
    news = RunNews(progress=RunProgress.ENDED_WELL, image=IMAGE, synced=SYNCED)
    late = take_build_news(second_ready, "7-1-1", news, NOW)
    assert statuses(late) == ["Ready", "Ready"]
    assert late.ready_version == 2


def test_a_changed_recipe_makes_a_version_and_the_same_one_does_not() -> None:
    ready = make_in(READY)
    assert change_recipe(ready, RECIPE, who="bob", run=new_run(), now=NOW) == ready
    other = RECIPE.model_copy(update={"command": ("rm", "-rf", "/")})
    changed = change_recipe(ready, other, who="bob", run=new_run(), now=NOW)
    assert statuses(changed) == ["Ready", "Pending approval"]
    assert (get_latest(changed).author, get_latest(changed).commit) == ("bob", "")
    # A job still runs what was approved.
    assert pin_version(changed).recipe.command == ("run",)
    moved = RECIPE.model_copy(update={"source": GitSource(url="https://git.example.org/other")})
    assert get_used(change_recipe(ready, moved, who="bob", run=new_run(), now=NOW)) == get_used(ready)


@pytest.mark.parametrize("status", [status for status in TaskStatus if status not in (TaskStatus.DISABLED, READY)])
def test_c16_a_task_that_is_not_ready_cannot_be_pinned(status: TaskStatus) -> None:
    with pytest.raises(Conflict, match=f"'task1' is not Ready: version 1 is {status.value}"):
        pin_version(make_in(status))


def test_a_disabled_task_cannot_be_pinned() -> None:
    with pytest.raises(Conflict, match="is disabled"):
        pin_version(make_in(READY).model_copy(update={"is_disabled": True}))


def test_who_wrote_a_recipe_does_not_approve_a_version_of_it_that_a_look_has_found() -> None:
    """Else a webhook's version, or one that another person asked for, would launder the author's own recipe."""
    other = RECIPE.model_copy(update={"command": ("mine",)})
    written = look(change_recipe(make_in(READY), other, who="bob", run=new_run(), now=NOW))
    for who in ("webhook", "eve"):
        found = look(begin_look(written, who=who, run=new_run(), now=NOW), OTHER)
        assert (get_latest(found).author, get_latest(found).recipe_authors) == (who, ("bob",))
        with pytest.raises(Forbidden, match="the authors of its recipe"):
            approve(found, who="bob", needs_another=True)
        assert statuses(approve(found, who="dora", needs_another=True))[-1] == "Building"
        assert statuses(approve(found, who="bob"))[-1] == "Building"


def test_a_change_of_a_recipe_that_waits_keeps_its_earlier_authors_and_an_approval_forgets_them() -> None:
    first = look(
        change_recipe(
            make_in(READY), RECIPE.model_copy(update={"command": ("mine",)}), who="bob", run=new_run(), now=NOW
        )
    )
    more = RECIPE.model_copy(update={"command": ("mine",), "network": ("h",)})
    both = look(change_recipe(first, more, who="eve", run=new_run(), now=NOW))
    assert get_latest(both).recipe_authors == ("bob", "eve")
    with pytest.raises(Forbidden):
        approve(both, who="bob", needs_another=True)
    after = change_recipe(approve(both, who="dora"), RECIPE, who="eve", run=new_run(), now=NOW)
    assert get_latest(after).recipe_authors == ("eve",)


def test_a_version_of_an_earlier_ewms_has_its_author_as_the_author_of_its_recipe() -> None:
    ready = make_in(READY)
    old = get_latest(ready).model_copy(update={"recipe_authors": (), "author": "bob"})
    found = look(ready.model_copy(update={"versions": (old,)}), OTHER)
    assert get_latest(found).recipe_authors == ("bob",)


ACTS = {
    "look": look,
    "look at another": lambda task: look(task, OTHER),
    "fail look": fail_look,
    "approve": approve,
    "reject": reject,
    "image": lambda task: tell(task, image=IMAGE),
    "build": build,
    "fail build": fail_build,
    "new recipe": lambda task: change_recipe(
        task, RECIPE.model_copy(update={"network": (f"h{task.n_versions}",)}), who="bob", run=new_run(), now=NOW
    ),
}


@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=25))
def test_whatever_happens_only_approved_versions_were_built_and_a_ready_one_stays_in_use(acts: list[str]) -> None:
    task = create()
    for act in acts:
        used = get_used(task)
        try:
            task = ACTS[act](task)
        except Conflict:
            continue
        assert used is None or get_used(task) is not None
        for version in task.versions:
            was_built = version.n_builds > 0 or version.status in NOT_PENDING[:3]
            assert not was_built or (version.is_approved and version.commit)
            assert (version.build is not None) == (version.status in (TaskStatus.BUILDING, TaskStatus.SYNCING))
            assert version.status is not READY or set(version.images) == set(version.recipe.locations)
        numbers = [version.number for version in task.versions]
        assert numbers == sorted(set(numbers))
