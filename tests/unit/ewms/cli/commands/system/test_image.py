"""`ewms image build`: the image's path in each format, and nothing if the launcher has failed."""

from pathlib import Path

import pytest

from ewms.cli.__main__ import main
from ewms.cli.commands.system import image


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("table", "{path}\n"),
        ("name", "{path}\n"),
        ("json", '{{"image": "{path}"}}\n'),
        ("yaml", "image: {path}\n"),
    ],
)
def test_the_path_of_the_image_comes_in_the_format_that_was_asked_for(
    output: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image, "run_launcher", lambda _: 0)
    assert main(["image", "build", "code", "made", "-o", output]) == 0
    assert capsys.readouterr().out == told.format(path=tmp_path / "made")


def test_a_launcher_that_failed_leaves_no_path(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(image, "run_launcher", lambda _: 130)
    assert main(["image", "build", "code", "made"]) == 130
    assert capsys.readouterr().out == ""
