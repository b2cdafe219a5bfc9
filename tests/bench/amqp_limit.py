"""Build the C client of the event path, the limit of all others, with the system's compiler."""

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("amqp_limit.c")


def build_limit(directory: Path) -> Path | None:
    """Return the program, built in `directory`. Return None if this machine has no C compiler.

    Raises:
        subprocess.CalledProcessError: the compiler refuses the source.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    program = directory / "amqp_limit"
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(program), str(SOURCE)], check=True)
    return program
