"""The workers' output, as one asks a TMS for it: a listing, and a stretch of one file."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.ids import TaskforceUuid
from schemas.questions import Answer, TmsQuestion

#: What one answer holds at most.
MAX_LOG_BYTES = 1024 * 1024
MAX_LOG_FILES = 1000

Proc = Annotated[int, Field(ge=0, lt=10_000_000)]


class Stream(StrEnum):
    """Which of a worker's outputs."""

    OUT = "out"
    ERR = "err"


class LogsQuery(TmsQuestion):
    """The gateway wants to know which logs of a taskforce there are, of the jobs from `first_proc` on."""

    kind: Literal["logs"] = "logs"
    taskforce_uuid: TaskforceUuid
    first_proc: Proc = 0


class LogQuery(TmsQuestion):
    """The gateway wants a stretch of one log: from `offset`, a negative one counted from the end."""

    kind: Literal["log"] = "log"
    taskforce_uuid: TaskforceUuid
    proc: Proc
    stream: Stream
    offset: int = 0
    max_bytes: Annotated[int, Field(ge=1, le=MAX_LOG_BYTES)] = MAX_LOG_BYTES


class LogFile(BaseModel):
    """One log as it lies on the access point."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="What to ask for: `<proc>.out` or `<proc>.err`.")
    n_bytes: int
    modified_at: AwareDatetime


class LogsAnswer(Answer):
    """Logs by ProcId; `next_proc` is where to go on, `None` at the end."""

    kind: Literal["logs"] = "logs"
    files: list[LogFile]
    next_proc: int | None


class LogAnswer(Answer):
    """The bytes from `offset` of a log of `n_bytes`."""

    kind: Literal["log"] = "log"
    data: bytes
    offset: int
    n_bytes: int
