"""Write all documents of a service's database into a directory, and restore them from there.

    <directory>/<collection>.bson    the documents one after the other, as MongoDB's own tools write them
    <directory>/manifest.json        the database, the time, and of each collection how many documents and a digest

All documents are as they were at one moment, also if services write meanwhile. Indexes are not in the directory: a
service makes its indexes when it starts.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import decode_file_iter
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from deploy.local.files.secret_files import replace_secret
from runtime.hosts.certificates import find_mongo_options
from runtime.kernel.mongo import translate_errors
from schemas.errors import Conflict, Rejected, Unavailable

MANIFEST = "manifest.json"

_RAW: "CodecOptions[RawBSONDocument]" = CodecOptions(document_class=RawBSONDocument)
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_PIECE_BYTES = 1 << 20
#: How many documents, and about how many bytes, go to the database at once.
_BATCH, _BATCH_BYTES = 1000, 16 << 20
#: A dump or a restore ends after this time.
_PATIENCE_S = 24 * 3600.0
#: MongoDB's code for a moment that it cannot show -> why, and what helps. Source: MongoDB's error codes, SnapshotTooOld
#: and SnapshotUnavailable.
_LOST_MOMENTS: Mapping[int | None, tuple[str, str]] = {
    239: (
        "the database forgot the moment of the dump before its end",
        "raise its parameter minSnapshotHistoryWindowInSeconds (300 s by default)",
    ),
    246: ("a collection came or went during the dump", "dump once more, into another directory"),
}


@dataclass(frozen=True, slots=True)
class DumpedCollection:
    """A collection in a directory: how many documents it has, and the SHA-256 of its file in hex."""

    n_documents: int
    sha256: str


def dump_database(url: str, name: str, directory: Path) -> dict[str, DumpedCollection]:
    """Write the documents of the database `name` at `url` into the new `directory`. Return what is there, by
    collection.

    Raises:
        Conflict: the directory has files already.
        Unavailable: the database is away, or forgot the moment of the dump before its end.
        OSError: a file cannot be written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise Conflict(f"{directory} is not empty", hint="name a new directory for each dump")
    with (
        translate_errors(patience_s=_PATIENCE_S),
        MongoClient[dict[str, Any]](url, **find_mongo_options(url)) as client,
        client.start_session(snapshot=True) as session,
    ):
        raw = client[name].with_options(_RAW)
        dumped = {
            collection: _dump_collection(raw[collection], session, directory)
            for collection in _list_collections(client[name])
        }
    about = {
        "database": name,
        "ended_at": datetime.now(UTC).isoformat(),
        "collections": {collection: asdict(one) for collection, one in dumped.items()},
    }
    # A directory without it is no dump: the dump did not end.
    replace_secret(directory / MANIFEST, (json.dumps(about, indent=2) + "\n").encode())
    return dumped


def restore_database(url: str, name: str, directory: Path, *, replaces: bool = False) -> dict[str, DumpedCollection]:
    """Write the documents in `directory` into the database `name` at `url`. Return what is there now, by collection.

    Before, the whole directory is checked. With `replaces`, all collections of the database are dropped first.

    Raises:
        Rejected: the directory holds no whole dump.
        Conflict: the database has documents, and `replaces` is not set.
        Unavailable: the database is away. Restore once more, with `replaces`.
    """
    dumped = _read_manifest(directory)
    for collection, one in dumped.items():
        _check_file(directory / f"{collection}.bson", one)
    with (
        translate_errors(patience_s=_PATIENCE_S),
        MongoClient[dict[str, Any]](url, w="majority", journal=True, **find_mongo_options(url)) as client,
    ):
        database = client[name]
        if replaces:
            for collection in _list_collections(database):
                database.drop_collection(collection)
        elif filled := [one for one in _list_collections(database) if database[one].find_one() is not None]:
            raise Conflict(
                f"the database {name} has documents already, in {len(filled)} collections such as {filled[0]!r}",
                hint="--replace drops them first",
            )
        for collection in dumped:
            target = database.with_options(_RAW)[collection]
            for batch in _read_batches(directory / f"{collection}.bson"):
                target.insert_many(batch, ordered=False)
    return dumped


def _list_collections(database: Database[dict[str, Any]]) -> list[str]:
    return sorted(name for name in database.list_collection_names() if not name.startswith("system."))


def _dump_collection(
    collection: Collection[RawBSONDocument], session: ClientSession, directory: Path
) -> DumpedCollection:
    digest, n_documents = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(directory / f"{collection.name}.bson", flags, 0o600), "wb") as file:
        try:
            for document in collection.find(session=session):
                file.write(document.raw)
                digest.update(document.raw)
                n_documents += 1
        except OperationFailure as error:
            if error.code not in _LOST_MOMENTS:
                raise
            reason, hint = _LOST_MOMENTS[error.code]
            raise Unavailable(reason, hint=hint) from error
        file.flush()
        os.fsync(file.fileno())
    return DumpedCollection(n_documents, digest.hexdigest())


def _read_manifest(directory: Path) -> dict[str, DumpedCollection]:
    try:
        found = json.loads((directory / MANIFEST).read_text())["collections"]
        dumped = {name: DumpedCollection(int(one["n_documents"]), str(one["sha256"])) for name, one in found.items()}
    except OSError as error:
        raise Rejected(f"{directory} holds no whole dump: {MANIFEST} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Rejected(f"{directory / MANIFEST} is no list of collections") from error
    if wrong := [name for name in dumped if not _NAME.fullmatch(name)]:
        raise Rejected(f"{directory / MANIFEST}: {wrong[0]!r} is no name of a collection")
    return dumped


def _check_file(path: Path, dumped: DumpedCollection) -> None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise Rejected(f"{path} cannot be read: {error.strerror}") from error
    if digest.hexdigest() != dumped.sha256:
        raise Rejected(f"{path} is damaged: its content is not that of the dump", hint="use another backup")


def _read_batches(path: Path) -> Iterator[list[RawBSONDocument]]:
    """Return the documents of a file in batches that fit into one call."""
    batch, n_bytes = list[RawBSONDocument](), 0
    with path.open("rb") as file:
        for document in decode_file_iter(file, _RAW):
            batch.append(document)
            n_bytes += len(document.raw)
            if len(batch) >= _BATCH or n_bytes >= _BATCH_BYTES:
                yield batch
                batch, n_bytes = [], 0
    if batch:
        yield batch
