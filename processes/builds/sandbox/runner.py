"""Run programs in sandboxes of one builder: as the account of builds, with the configuration of the builder."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.sandbox.bounded_process import RunEnd, run_bounded
from processes.builds.sandbox.disk_meter import METERING, DiskMeter
from processes.builds.sandbox.egress_proxy import ENVIRONMENT, EgressGate
from processes.builds.sandbox.limits import RunLimits
from processes.builds.sandbox.plan import CONF, HOME, TEMPORARY, WORK, Sandbox
from processes.builds.sandbox.system_calls import build_filter

_ANSWER_BYTES = 4 << 20
_HOUSEKEEPING_S = 600.0

FILTER = "system-calls.bpf"
_FILES = {
    "etc/passwd": f"root:x:0:0:root:{HOME}:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/subuid": "",
    "etc/subgid": "",
    "etc/resolv.conf": "",
    "etc/hosts": "127.0.0.1 localhost\n",
    "storage.conf": (
        '[storage]\ndriver = "vfs"\ngraphroot = "/work/store"\nrunroot = "/work/run"\n'
        '[storage.options]\nignore_chown_errors = "true"\n'
    ),
    "containers.conf": f'[engine]\nhelper_binaries_dir = ["{CONF}/helpers"]\n',
    "policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
    # buildah looks for this program before it knows that no build uses a network of its own.
    "helpers/netavark": "#!/bin/sh\nexit 1\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRunner:
    """Runs programs of `tree` in sandboxes. `conf` is the directory of their configuration."""

    tree: Path
    conf: Path
    holder: tuple[str, ...] = ()
    max_processes: int = 1024

    def write_configuration(self, plain_registries: Sequence[str] = ()) -> None:
        """Write the files that programs in the sandboxes read. A repetition writes the same files."""
        registries = "unqualified-search-registries = []\n" + "".join(
            f'[[registry]]\nlocation = "{name}"\ninsecure = true\n' for name in plain_registries
        )
        for name in ("etc/ssl", "sys"):
            (self.conf / name).mkdir(parents=True, exist_ok=True)
        for name, text in {**_FILES, "registries.conf": registries}.items():
            _write_file(self.conf / name, text.encode())
        (self.conf / "helpers/netavark").chmod(0o755)
        _write_file(self.conf / FILTER, build_filter())

    def run(
        self,
        work: Path,
        command: Sequence[str],
        *,
        limits: RunLimits,
        take_output: Callable[[bytes], None],
        readable: Mapping[str, str] | None = None,
        has_network: bool = False,
        hosts: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        keeps_errors: bool = True,
    ) -> RunEnd:
        """Run `command` with the directory `work`, and return how it ended. Its output goes to `take_output`.

        Without `has_network`, `command` reaches the `hosts` only, by HTTP and HTTPS through a proxy.

        Raises:
            BuildFailed: this machine cannot run sandboxes.
        """
        plan = Sandbox(
            tree=str(self.tree),
            work=str(work),
            conf=str(self.conf),
            readable=readable or {},
            has_network=has_network,
            max_processes=self.max_processes,
            max_file_bytes=limits.disk_bytes,
            holder=self.holder,
        )
        filter_fd = os.open(self.conf / FILTER, os.O_RDONLY)
        gate = EgressGate(hosts) if hosts else None
        gate_fds = gate.sandbox_fds if gate else {}
        meter = DiskMeter(lambda: self._start_meter(work))
        try:
            return run_bounded(
                plan.build_argv(command, filter_fd=filter_fd, **gate_fds),
                environment={**self._base_environment(), **(ENVIRONMENT if gate else {}), **(environment or {})},
                limits=limits,
                take_output=take_output,
                measure_disk=meter.measure,
                disk=work,
                keeps_errors=keeps_errors,
                pass_fds=(filter_fd, *gate_fds.values()),
                enter_run=gate.open if gate else nullcontext,
            )
        except OSError as error:
            raise BuildFailed(f"the builder cannot run its sandbox: {error}") from error
        finally:
            meter.close()
            os.close(filter_fd)
            if gate:
                gate.close()

    def ask(
        self,
        work: Path,
        command: Sequence[str],
        *,
        what: str,
        time_s: float,
        readable: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run `command` without a network, and return its output.

        Raises:
            BuildFailed: it failed; the error begins with `what`.
        """
        answer = bytearray()
        limits = RunLimits(time_s=time_s, memory_bytes=2 << 30, disk_bytes=1 << 40, log_bytes=_ANSWER_BYTES)
        end = self.run(
            work,
            command,
            limits=limits,
            take_output=answer.extend,
            readable=readable,
            environment=environment,
            keeps_errors=False,
        )
        if not end.is_success:
            raise BuildFailed(f"{what}: {end.excess or f'the program ended with status {end.status}'}")
        return bytes(answer)

    def clear(self, work: Path, names: Sequence[str]) -> None:
        """Remove `names` below `work`, and empty the temporary directories beside it as far as possible.

        Files are removed although their modes forbid it. Missing ones are ignored.

        Raises:
            BuildFailed: one of `names` could not be removed, this machine cannot run sandboxes, or it takes too long.
        """
        # `rm` empties the two directories. It cannot remove them, because they are mounts, and so it never succeeds.
        emptying = f'chmod 700 {TEMPORARY} {HOME} && rm -rf {TEMPORARY} {HOME}; rm -rf -- "$@"'
        doomed = [f"{WORK}/{name}" for name in names]
        self.ask(work, ["/bin/sh", "-c", emptying, "sh", *doomed], what="cleaning up", time_s=_HOUSEKEEPING_S)

    def remove_contents(self, work: Path, names: Sequence[str]) -> None:
        """Remove `names` below `work`, also those whose modes forbid it. Ignore missing ones.

        Raises:
            BuildFailed: something could not be removed.
        """
        if doomed := [f"{WORK}/{name}" for name in names if os.path.lexists(work / name)]:
            self.ask(
                work, ["/bin/sh", "-c", 'rm -rf -- "$@"', "sh", *doomed], what="cleaning up", time_s=_HOUSEKEEPING_S
            )

    def _start_meter(self, work: Path) -> "subprocess.Popen[bytes]":
        plan = Sandbox(tree=str(self.tree), work=str(work), conf=str(self.conf), holder=self.holder)
        filter_fd = os.open(self.conf / FILTER, os.O_RDONLY)
        try:
            return subprocess.Popen(
                plan.build_argv(["/bin/sh", "-c", METERING], filter_fd=filter_fd),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._base_environment(),
                pass_fds=(filter_fd,),
                cwd="/",
            )
        finally:
            os.close(filter_fd)

    def _base_environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.tree}/usr/bin:/bin",
            "HOME": HOME,
            "TMPDIR": TEMPORARY,
            "LANG": "C.UTF-8",
            "CONTAINERS_CONF": f"{CONF}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{CONF}/storage.conf",
            "CONTAINERS_REGISTRIES_CONF": f"{CONF}/registries.conf",
            # buildah is root of the sandbox's user namespace already, and must not open another one.
            "_CONTAINERS_USERNS_CONFIGURED": "done",
            "BUILDAH_ISOLATION": "chroot",
            "STORAGE_DRIVER": "vfs",
        }


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == content:
        return
    # Several builds of one worker may write the file at once, so each needs a partial file of its own.
    descriptor, partial = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, 0o644)
    Path(partial).rename(path)
