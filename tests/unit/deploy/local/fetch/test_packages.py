"""What apt prints becomes files and versions; what is left out is told to apt as installed."""

from deploy.local.fetch import packages
from deploy.local.fetch.debian import find_mirror
from deploy.local.fetch.packages import ALL, Archive, cache_versions, fallback_set, parse_archives, status_file

PRINTED = """\
Reading package lists...
'http://mirror.example/debian/pool/main/h/htcondor/condor_25.14.1%2bdfsg-1_amd64.deb' condor_25.14.1+dfsg-1_amd64.deb 5 SHA256:1
'http://mirror.example/debian/pool/main/r/rabbitmq-server/rabbitmq-server_4.3.6-2_all.deb' rabbitmq-server_4.3.6-2_all.deb 7 SHA256:2
'http://mirror.example/debian/pool/main/e/erlang/erlang-base_1%3a29.0.2%2bdfsg-1_amd64.deb' erlang-base_1%3a29.0.2+dfsg-1_amd64.deb 11 SHA256:3
"""  # noqa: E501 - apt's own lines


def test_every_line_that_begins_with_a_quote_is_an_archive() -> None:
    assert parse_archives(PRINTED) == [
        Archive("condor_25.14.1+dfsg-1_amd64.deb", 5),
        Archive("rabbitmq-server_4.3.6-2_all.deb", 7),
        Archive("erlang-base_1%3a29.0.2+dfsg-1_amd64.deb", 11),
    ]
    assert parse_archives("Reading package lists...\nBuilding dependency tree...\n") == []


def test_a_version_loses_epoch_debian_revision_and_repacking() -> None:
    assert [one.upstream_version for one in parse_archives(PRINTED)] == ["25.14.1", "4.3.6", "29.0.2"]


def test_the_servers_alone_name_the_cache() -> None:
    assert cache_versions(parse_archives(PRINTED)) == {"htcondor": "25.14.1", "rabbitmq": "4.3.6"}


def test_apt_takes_what_is_left_out_as_installed_and_newest() -> None:
    stanzas = status_file(("perl", "tzdata")).strip().split("\n\n")
    perl, tzdata = (dict(line.split(": ", 1) for line in stanza.splitlines()) for stanza in stanzas)
    assert (perl["Package"], tzdata["Package"]) == ("perl", "tzdata")
    assert perl["Status"] == tzdata["Status"] == "install ok installed"
    assert perl["Version"] == tzdata["Version"] == "9999:1"
    # `perl:any` is met only by a package that allows it.
    assert (perl["Multi-Arch"], tzdata["Multi-Arch"]) == ("allowed", "foreign")


def test_nothing_that_is_wanted_is_left_out() -> None:
    sets = [value for value in vars(packages).values() if isinstance(value, packages.PackageSet)]
    assert sets
    for one in sets:
        assert not set(one.wanted) & set(one.left_out)


def test_the_machines_mirror_is_read_from_what_apt_would_fetch() -> None:
    printed = (
        "'https://mirror.example/debian-security/dists/bookworm-security/InRelease' a 0\n"
        "'https://mirror.example/some/debian/dists/bookworm/InRelease' b 0\n"
    )
    assert find_mirror(printed) == "https://mirror.example/some/debian"
    assert find_mirror("'https://mirror.example/ubuntu/dists/noble/InRelease' c 0\n") is None


def test_one_left_out_may_count_as_a_version_of_its_own() -> None:
    assert "Package: python3\n" in status_file(["python3=3.13.99"])
    assert "Version: 3.13.99\n" in status_file(["python3=3.13.99"])


def test_the_fallback_suite_is_asked_for_no_apptainer_which_it_does_not_have() -> None:
    older = [fallback_set(one) for one in ALL]
    assert {name for one in ALL for name in one.wanted} - {name for one in older for name in one.wanted} == {
        "apptainer"
    }
    assert all("python3" not in one.left_out for one in older if "condor" in one.wanted)
