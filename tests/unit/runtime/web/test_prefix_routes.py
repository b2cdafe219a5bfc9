"""The route of a request is the one that trying all of them in order finds."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.routing import Match, Route

from runtime.web.prefix_routes import PrefixRoutes, RouteTree


async def answer(_: object) -> Response:
    return Response()


def route(path: str, method: str = "GET") -> Route:
    return Route(path, answer, methods=[method])


def find_in_order(routes: Sequence[Route], path: str, method: str) -> tuple[Match, Route | None]:
    """Return what trying all routes in order finds: the first that takes the request, or the first with its path."""
    partial: tuple[Match, Route | None] = Match.NONE, None
    for each in routes:
        match, _ = each.matches({"type": "http", "path": path, "method": method})
        if match is Match.FULL:
            return match, each
        if match is Match.PARTIAL and partial[1] is None:
            partial = match, each
    return partial


SEGMENTS = st.sampled_from(["a", "b", "ab", "{x}", "{y}.json", "a{x}", "{x:path}", ""])
ASKED = st.sampled_from(["a", "b", "ab", "a.json", "", "ä", "a\n", "\n", "{x}"])
METHODS = st.sampled_from(["GET", "POST"])


def make_path(segments: list[str]) -> str:
    # A path has each parameter once.
    named = [segment.replace("x", f"x{n}").replace("y", f"y{n}") for n, segment in enumerate(segments)]
    return "/".join(["/v1", *named])


@given(
    st.lists(st.tuples(st.lists(SEGMENTS, max_size=4), METHODS), max_size=8),
    st.lists(st.tuples(st.lists(ASKED, max_size=4), METHODS), min_size=1, max_size=5),
)
def test_the_tree_finds_what_trying_all_routes_in_order_finds(
    made: list[tuple[list[str], str]], asked: list[tuple[list[str], str]]
) -> None:
    routes = [route(make_path(segments), method) for segments, method in made]
    prefix = PrefixRoutes("/v1", routes)
    for segments, method in asked:
        path = "/".join(["/v1", *segments])
        expected, chosen = find_in_order(routes, path, method)
        match, found = prefix.matches({"type": "http", "path": path, "method": method})
        assert (match, found.get("ewms_route")) == (expected, chosen)


@pytest.mark.parametrize("path", ["/v10/a", "/v", "/", "", "/x/v1/a"])
def test_a_path_of_another_prefix_is_none_of_ours(path: str) -> None:
    prefix = PrefixRoutes("/v1", [route("/v1/{x:path}"), route("/v1")])
    assert prefix.matches({"type": "http", "path": path, "method": "GET"}) == (Match.NONE, {})


def test_only_routes_with_the_segments_of_the_path_are_tried() -> None:
    routes = [route(f"/v1/{name}/{{id}}/{part}") for name in map(str, range(50)) for part in ("a", "b")]
    tree = RouteTree(routes)
    assert tree.list_routes("/v1/7/some/b") == [routes[15]]
    assert tree.list_routes("/v1/7/some") == []


def test_a_path_of_many_segments_is_looked_up_in_no_time() -> None:
    shapes = [[("{x}" if number >> bit & 1 else "a") for bit in range(8)] for number in range(256)]
    tree = RouteTree([route(make_path(shape)) for shape in shapes])
    began_s = time.process_time()
    for path in ("/v1" + "/a" * 8, "/v1" + "/a" * 4000):
        tree.list_routes(path)
    assert time.process_time() - began_s < 1
