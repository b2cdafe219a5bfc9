"""The broker sees the plugins that it uses, with everything that they need, and no others."""

from pathlib import Path

from deploy.local.servers.broker_plugins import find_needed, link_plugins, read_requirements

MANAGEMENT = """{application, 'rabbitmq_management', [
    {description, "RabbitMQ Management Console"},
    {applications, [kernel,stdlib,'rabbit',
    cowboy]},
    {optional_applications, [other]}
]}."""


def _ship(shipped: Path, name: str, *needs: str) -> None:
    ebin = shipped / f"{name}-4.3.6/ebin"
    ebin.mkdir(parents=True)
    (ebin / f"{name}.app").write_text(f"{{application, {name}, [{{applications, [{','.join(needs)}]}}]}}.")


def test_an_application_names_what_it_needs() -> None:
    assert read_requirements(MANAGEMENT) == {"kernel", "stdlib", "rabbit", "cowboy"}


def test_an_application_that_names_nothing_needs_nothing() -> None:
    assert read_requirements("{application, alone, [{vsn, 1}]}.") == frozenset()
    assert read_requirements("{application, alone, [{applications, []}]}.") == frozenset()


def test_needs_of_needs_are_found_also_in_circles_and_erlangs_own_are_left_out() -> None:
    requirements = {"a": ["b", "kernel"], "b": ["c"], "c": ["a"], "unused": ["a"]}
    assert find_needed(["a", "stdlib"], requirements) == {"a", "b", "c"}


def test_links_lead_to_the_server_and_to_what_is_enabled_with_its_libraries(tmp_path: Path) -> None:
    shipped, into = tmp_path / "shipped", tmp_path / "plugins"
    _ship(shipped, "rabbit", "kernel", "ra")
    _ship(shipped, "ra")
    _ship(shipped, "rabbitmq_management", "rabbit", "cowboy")
    _ship(shipped, "cowboy", "stdlib")
    _ship(shipped, "rabbitmq_mqtt", "rabbit")
    (shipped / "README").write_text("no plugin")

    link_plugins(shipped, ["rabbitmq_management"], into=into)

    linked = {"rabbit-4.3.6", "ra-4.3.6", "rabbitmq_management-4.3.6", "cowboy-4.3.6"}
    assert {link.name for link in into.iterdir()} == linked
    assert all(link.resolve() == shipped / link.name for link in into.iterdir())
