"""What a sandboxed program sees."""

from processes.builds.sandbox.plan import Sandbox
from processes.builds.sandbox.system_calls import build_filter

SANDBOX = Sandbox(tree="/tree", work="/builder/builds/1", conf="/builder/conf", holder=("as", "someone"))


def pairs(argv: list[str], option: str) -> list[tuple[str, str]]:
    """Return the two words after each occurrence of an option."""
    return [(argv[n + 1], argv[n + 2]) for n, word in enumerate(argv) if word == option]


def test_only_the_build_s_own_directory_is_writable() -> None:
    argv = SANDBOX.build_argv(["true"], filter_fd=7)
    writable = {source for source, _ in pairs(argv, "--bind")}
    assert writable == {"/builder/builds/1", "/builder/builds/1.tmp", "/builder/builds/1.home"}


def test_a_program_cannot_replace_what_the_sandbox_mounts() -> None:
    """A source or a target below the writable directory could be a link by the next call."""
    mounts = [
        pair for option in ("--bind", "--ro-bind") for pair in pairs(SANDBOX.build_argv(["x"], filter_fd=7), option)
    ]
    assert not [source for source, _ in mounts if source.startswith("/builder/builds/1/")]
    assert not [target for _, target in mounts if target.startswith("/work/")]


def test_without_a_network_there_is_none_and_no_name_server() -> None:
    closed = SANDBOX.build_argv(["true"], filter_fd=7)
    assert "--unshare-net" in closed
    assert "/etc/resolv.conf" not in closed
    opened = Sandbox(tree="/t", work="/w", conf="/c", has_network=True).build_argv(["true"], filter_fd=7)
    assert "--unshare-net" not in opened
    assert ("/etc/resolv.conf", "/etc/resolv.conf") in pairs(opened, "--ro-bind-try")


def test_the_program_starts_as_another_account_and_ends_with_its_parent() -> None:
    argv = SANDBOX.build_argv(["program", "a b"], filter_fd=7)
    assert argv[:3] == ["as", "someone", "/tree/usr/bin/bwrap"]
    assert argv[-2:] == ["program", "a b"]
    assert {"--die-with-parent", "--unshare-user", "--unshare-pid", "--new-session"} <= set(argv)


def test_the_filter_answers_owners_with_success_and_lets_other_calls_pass() -> None:
    program = build_filter()
    steps = [program[place : place + 8] for place in range(0, len(program), 8)]
    assert len(program) % 8 == 0
    answers = {step[4:] for step in steps if step[0] == 6}
    assert answers == {b"\x00\x00\xff\x7f", b"\x00\x00\x05\x00", b"\x26\x00\x05\x00"}
    assert (92).to_bytes(4, "little") in {step[4:] for step in steps if step[0] == 0x15}


def test_programs_below_the_machine_s_tmp_are_seen_and_what_a_build_writes_there_does_not_stay() -> None:
    """Each mount hides what was mounted below its place before."""
    argv = Sandbox(tree="/tmp/cache/tree", work="/w", conf="/c").build_argv(["true"], filter_fd=7)
    assert argv.index("/tmp") < argv.index("/tmp/cache/tree", argv.index("--ro-bind"))
    assert argv[argv.index("/tmp") - 1] == "--tmpfs"
    assert ("/w.tmp", "/tmp") not in pairs(argv, "--bind")
    assert ("/w.tmp", "/builder-tmp") in pairs(argv, "--bind")
    elsewhere = SANDBOX.build_argv(["true"], filter_fd=7)
    assert ("/builder/builds/1.tmp", "/tmp") in pairs(elsewhere, "--bind")
