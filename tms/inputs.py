"""Which files of the access point a user may send to workers: those under the operator's roots, no others.

TMS can read more than its users may, so a name is followed to where it leads before it is compared.
"""

from collections.abc import Sequence
from pathlib import Path

from tms.errors import Unsubmittable


def resolved_input_files(names: Sequence[str], *, roots: Sequence[Path], forbidden: Path) -> list[str]:
    """Return `names` as real paths under one of `roots` and not under `forbidden` (where tokens are).

    Raises:
        Unsubmittable: one of them is not there, leads elsewhere, or is no file or directory.
    """
    return [_resolved(name, roots=roots, forbidden=forbidden) for name in names]


def _resolved(name: str, *, roots: Sequence[Path], forbidden: Path) -> str:
    refusal = Unsubmittable(
        f"pilot_config.input_files: {name[:200]!r} is not a file that may be sent to workers",
        hint=f"a file under {', '.join(map(str, roots)) or 'a root that the operator allows; none is'}",
    )
    if not roots or not name.startswith("/") or any(ord(c) < 32 for c in name):
        raise refusal
    try:
        path = Path(name).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise refusal from error
    if path.name != Path(name).name or not (path.is_file() or path.is_dir()):
        raise refusal
    if path.is_relative_to(forbidden.resolve()) or forbidden.resolve().is_relative_to(path):
        raise refusal
    if not any(path.is_relative_to(root.resolve()) and path != root.resolve() for root in roots):
        raise refusal
    return str(path)
