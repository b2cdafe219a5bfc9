"""The command lines of git."""

from processes.builds.sources.git_commands import build_git_argv, build_git_environment, fetch_words, find_submodules


def test_a_fetch_ends_its_options_before_what_the_author_wrote() -> None:
    words = fetch_words("https://host/a", "--upload-pack=x", depth=1)
    assert words[-3:] == ["--", "https://host/a", "--upload-pack=x"]
    assert fetch_words("u", "", depth=1)[-1] == "HEAD"


def test_only_named_protocols_are_open() -> None:
    argv = build_git_argv("/tree", ["fetch"], protocols=("https",), has_credential=False)
    assert "protocol.allow=never" in argv
    assert [word for word in argv if word.endswith(".allow=always")] == ["protocol.https.allow=always"]
    assert build_git_environment("/tree", ("https",))["GIT_ALLOW_PROTOCOL"] == "https"


def test_a_credential_is_a_file_and_never_a_word() -> None:
    argv = build_git_argv("/tree", ["fetch"], protocols=("https",), has_credential=True)
    assert "credential.helper=store --file=/credential" in argv
    assert argv.index("credential.helper=") < argv.index("credential.helper=store --file=/credential")


def test_submodules_are_found_by_their_mode() -> None:
    listing = b"100644 blob aa\tDockerfile\x00160000 commit bb\tone/bomb\x00120000 blob cc\tlink\x00"
    assert find_submodules(listing) == ["one/bomb"]
    assert find_submodules(b"") == []


def test_the_checked_addresses_of_a_host_are_a_setting() -> None:
    argv = build_git_argv("/t", ["fetch"], protocols=("https",), has_credential=False, pin="h:443:93.184.216.34")
    assert argv[argv.index("http.curloptResolve=h:443:93.184.216.34") - 1] == "-c"
    assert "curloptResolve" not in str(build_git_argv("/t", ["fetch"], protocols=(), has_credential=False))
