"""`ewms-admin database`: what a dump has is there again after a restore, and no other document."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from bson import Int64
from pymongo import MongoClient

from deploy.admin.__main__ import EXIT_UNUSABLE, main
from tests.kept_databases import KeptDatabase

#: A value of a type that JSON lacks, and a key order that a restore must keep.
DOCUMENTS: list[dict[str, Any]] = [{"_id": Int64(2**40 + n), "z": n, "a": {"b": b"\\x00" * n}} for n in range(1500)]


@pytest.fixture
def words(kept_database: KeptDatabase, tmp_path: Path) -> list[str]:
    """The end of a command about the database of this test."""
    variables = tmp_path / "wms.env"
    variables.write_text(
        f"EWMS_MONGO_URL={kept_database.url}\nEWMS_MONGO_DATABASE={kept_database.name}\n"
        "EWMS_CONTROL_AMQP_URL=amqp://h/v\nEWMS_AUTH_ISSUER=https://i.example\n"
    )
    variables.chmod(0o600)
    return ["wms", str(tmp_path / "dump"), "--env-file", str(variables)]


def test_a_database_that_was_lost_is_there_again(
    kept_database: KeptDatabase, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with MongoClient[dict[str, Any]](kept_database.url) as client:
        database = client[kept_database.name]
        database["runs"].insert_many(DOCUMENTS)
        database["empty"].create_index("x")
        assert main(["database", "dump", *words]) == 0
        assert "1500 runs" in capsys.readouterr().out
        files = list((tmp_path / "dump").iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

        assert main(["database", "dump", *words]) == EXIT_UNUSABLE
        assert "not empty" in capsys.readouterr().err

        database["later"].insert_one({"_id": 1})
        database["runs"].delete_one({"z": 3})
        assert main(["database", "restore", *words]) == EXIT_UNUSABLE
        assert "has documents already" in capsys.readouterr().err
        assert database["later"].count_documents({}) == 1

        assert main(["database", "restore", "--replace", *words]) == 0
        assert list(database["runs"].find().sort("_id")) == DOCUMENTS
        assert [list(document) for document in database["runs"].find({}, limit=1)] == [["_id", "z", "a"]]
        assert database["later"].count_documents({}) == 0


def test_a_dump_that_did_not_end_or_is_damaged_changes_nothing(
    kept_database: KeptDatabase, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with MongoClient[dict[str, Any]](kept_database.url) as client:
        database = client[kept_database.name]
        database["runs"].insert_many([{"_id": n} for n in range(3)])
        assert main(["database", "dump", *words]) == 0
        file, manifest = tmp_path / "dump/runs.bson", tmp_path / "dump/manifest.json"
        whole, listed = file.read_bytes(), manifest.read_text()

        for content, about, complaint in (
            (whole[:-1], listed, "damaged"),
            (whole, "{}", "no list of collections"),
            (whole, json.dumps({"collections": {"../x": {"n_documents": 0, "sha256": ""}}}), "no name of a collection"),
            (whole, None, "no whole dump"),
        ):
            file.write_bytes(content)
            manifest.unlink(missing_ok=True)
            if about is not None:
                manifest.write_text(about)
            assert main(["database", "restore", "--replace", *words]) == EXIT_UNUSABLE
            assert complaint in capsys.readouterr().err
            assert database["runs"].count_documents({}) == 3
