"""Questions to a TMS about workers' output: a list of the logs, and a part of one log."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.ids import TaskforceUuid
from schemas.questions.bases import Answer, TmsQuestion

#: The limits of one answer.
MAX_LOG_BYTES = 1024 * 1024
MAX_LOG_FILES = 1000

Proc = Annotated[int, Field(ge=0, lt=10_000_000)]


class LogStream(StrEnum):
    """A worker's two output streams."""

    OUT = "out"
    ERR = "err"


class LogsQuery(TmsQuestion):
    """The gateway wants a list of a taskforce's logs, from the job `first_proc` on."""

    kind: Literal["logs"] = "logs"
    taskforce_uuid: TaskforceUuid
    first_proc: Proc = 0


class LogQuery(TmsQuestion):
    """The gateway wants a part of one log, from `offset` on. A negative `offset` counts from the end."""

    kind: Literal["log"] = "log"
    taskforce_uuid: TaskforceUuid
    proc: Proc
    stream: LogStream
    offset: int = 0
    max_bytes: Annotated[int, Field(ge=1, le=MAX_LOG_BYTES)] = MAX_LOG_BYTES


class LogFile(BaseModel):
    """One log on the access point."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The log's name: `<proc>.out` or `<proc>.err`.")
    n_bytes: int
    modified_at: AwareDatetime


class LogsAnswer(Answer):
    """Logs in the order of ProcIds. The next question starts at `next_proc`, which is None at the end."""

    kind: Literal["logs"] = "logs"
    files: list[LogFile]
    next_proc: int | None


class LogAnswer(Answer):
    """The bytes of a log from `offset` on. The whole log has `n_bytes` bytes."""

    kind: Literal["log"] = "log"
    data: bytes
    offset: int
    n_bytes: int
