"""What a failing container said last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.failures.error_text import (
    MAX_LINE,
    MAX_TRACEBACK,
    NOTHING,
    is_runtimes_own,
    last_words,
    one_line,
    without_names,
)

TRACEBACK = """Traceback (most recent call last):
  File "reco.py", line 3, in <module>
    main()
  File "reco.py", line 2, in main
    raise ValueError("bad pixel")
ValueError: bad pixel
"""

WORSE = TRACEBACK.replace("ValueError: bad pixel", "RuntimeError: worse")

HANDLING = "\nDuring handling of the above exception, another exception occurred:\n\n"
CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"

GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "reco.py", line 9, in <module>
  |     asyncio.run(main())
  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "reco.py", line 3, in main
    |     raise OSError("no geometry")
    | OSError: no geometry
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "reco.py", line 4, in main
    |     raise ValueError("bad pixel")
    | ValueError: bad pixel
    +------------------------------------
"""

NESTED = """  + Exception Group Traceback (most recent call last):
  |   File "<stdin>", line 1, in <module>
  | ExceptionGroup: one (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ExceptionGroup: two (2 sub-exceptions)
    +-+---------------- 1 ----------------
      | TypeError: int
      +---------------- 2 ----------------
      | ExceptionGroup: three (1 sub-exception)
      +-+---------------- 1 ----------------
        | Traceback (most recent call last):
        |   File "reco.py", line 3, in main
        | ValueError: inner
        |
        | During handling of the above exception, another exception occurred:
        |
        | Traceback (most recent call last):
        |   File "reco.py", line 4, in main
        | KeyError: 'deepest'
        +------------------------------------
"""

MANY = """  + Exception Group Traceback (most recent call last):
  |   File "<stdin>", line 1, in <module>
  | ExceptionGroup: many (17 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: bad pixel
    +---------------- ... ----------------
    | and 16 more exceptions
    +------------------------------------
"""

JAVA = """Exception in thread "main" java.lang.RuntimeException: cannot reconstruct
\tat org.example.Reco.main(Reco.java:12)
Caused by: java.io.IOException: bad pixel
\tat org.example.Reco.read(Reco.java:20)
\t... 1 more
"""

JAVASCRIPT = """/app/reco.js:1
throw new Error("bad pixel")
^

Error: bad pixel
    at Object.<anonymous> (/app/reco.js:1:7)
    at Module._compile (node:internal/modules/cjs/loader:1105:14)

Node.js v18.19.0
"""

R = """Warning message:
package 'x' was built under another version
Error in readRDS("x") :
  cannot open the connection
Calls: main -> readRDS
In addition: Warning message:
In readRDS("x") : probable reason 'No such file or directory'
Execution halted
"""

RUST = """thread 'main' (4711) panicked at src/main.rs:4:5:
index out of bounds: the len is 3 but the index is 99
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""

RUST_CAUSES = """Error: cannot reconstruct

Caused by:
    0: cannot read the geometry
    1: No such file or directory (os error 2)
"""

GO = """panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.main()
\t/src/main.go:8 +0x1d
exit status 2
"""

JULIA = """ERROR: LoadError: bad pixel
Stacktrace:
 [1] error(s::String)
   @ Base ./error.jl:35
in expression starting at /reco.jl:1
"""

FATAL = """INFO:    Converting SIF file to temporary sandbox...
FATAL:   while extracting /reco.sif: root filesystem extraction failed: extract command failed: Parallel unsquashfs
Write on output file failed because No space left on device
: exit status 1
"""


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("", NOTHING),
        ("\n  \n", NOTHING),
        ("cp: cannot stat 'x': No such file or directory\n", "cp: cannot stat 'x': No such file or directory"),
        ("first\nlast\n\n", "last"),
        (TRACEBACK, "ValueError: bad pixel"),
        (TRACEBACK + "cleaning up\n", "ValueError: bad pixel"),
        (TRACEBACK + "During handling:\n" + TRACEBACK.replace("bad pixel", "worse"), "ValueError: worse"),
        (TRACEBACK + HANDLING + WORSE, "RuntimeError: worse"),
        (TRACEBACK + CAUSED + WORSE, "RuntimeError: worse"),
        (
            TRACEBACK + "Exception ignored in: <function Pool.__del__ at 0x7f>\n" + WORSE,
            "ValueError: bad pixel",
        ),
        (TRACEBACK + "Task exception was never retrieved\nfuture: <Task ...>\n" + WORSE, "ValueError: bad pixel"),
        ("Exception ignored in: <x>\n" + TRACEBACK, "ValueError: bad pixel"),
        (TRACEBACK.replace(": bad pixel", ":\nbad pixel"), "ValueError: bad pixel"),
        (GROUP, "ValueError: bad pixel"),
        ("noise\n" + GROUP + "bye\n", "ValueError: bad pixel"),
        (NESTED, "KeyError: 'deepest'"),
        (MANY, "ValueError: bad pixel"),
        (TRACEBACK + HANDLING + GROUP.replace("bad pixel", "worse"), "ValueError: worse"),
        (
            '  File "reco.py", line 1\n    def f(:\n          ^\nSyntaxError: invalid syntax\n',
            "SyntaxError: invalid syntax",
        ),
        (JAVA, "Caused by: java.io.IOException: bad pixel"),
        (JAVA.replace("Caused by: java.io.IOException: bad pixel\n", ""), JAVA.splitlines()[0]),
        (JAVA + "retried, and done\nno space left\n", "no space left"),
        (
            "Unhandled exception. System.IO.IOException: bad pixel\n   at Program.Main() in /x.cs:line 3\n",
            "Unhandled exception. System.IO.IOException: bad pixel",
        ),
        (JAVASCRIPT, "Error: bad pixel"),
        (
            "reco.rb:1:in `read': bad pixel (RuntimeError)\n\tfrom reco.rb:4:in `<main>'\n",
            "reco.rb:1:in `read': bad pixel (RuntimeError)",
        ),
        (R, 'Error in readRDS("x") : cannot open the connection'),
        ("Error: object 'x' not found\nExecution halted\n", "Error: object 'x' not found"),
        (
            RUST,
            "thread 'main' panicked at src/main.rs:4:5: index out of bounds: the len is 3 but the index is 99",
        ),
        (RUST_CAUSES, "Error: cannot reconstruct: cannot read the geometry: No such file or directory (os error 2)"),
        (GO, "panic: runtime error: index out of range [5] with length 3"),
        (GO.replace("panic: ", "panic: first [recovered]\n\tpanic: ", 1), GO.splitlines()[0]),
        (JULIA, "ERROR: LoadError: bad pixel"),
        (
            "At line 5 of file x.f90\nFortran runtime error: End of file\n\nError termination. Backtrace:\n#0  0x7f\n",
            "Fortran runtime error: End of file",
        ),
        (
            "terminate called after throwing an instance of 'std::runtime_error'\n  what():  bad pixel\nAborted\n",
            "terminate called after throwing an instance of 'std::runtime_error', what():  bad pixel",
        ),
        ("Aborted (core dumped)\n", "Aborted (core dumped)"),
        ("reco: x.c:3: main: Assertion `n > 0' failed.\nAborted\n", "reco: x.c:3: main: Assertion `n > 0' failed."),
        ("/bin/sh: 1: reco: not found\n", "/bin/sh: 1: reco: not found"),
        ("bash: line 1: reco: command not found\n", "bash: line 1: reco: command not found"),
        ("no rule for this\nmake: *** [Makefile:2: all] Error 1\n", "no rule for this"),
        ("it broke\n=====================\n", "it broke"),
        ("real error\nINFO:    Cleaning up image...\n", "real error"),
        ("real error\n\x1b[33mWARNING:\x1b[0m underlay of /etc required more than 50\n", "real error"),
        ("INFO:    Starting\nFATAL:   stat /x: no such file\nINFO:    bye\n", "FATAL:   stat /x: no such file"),
        (FATAL, " ".join(FATAL.splitlines()[1:])),
        (
            "ld.so: object 'x' cannot be preloaded: ignored.\nFATAL:   no user namespaces\n",
            "FATAL:   no user namespaces",
        ),
        ("INFO:    only noise\n", NOTHING),
        ("loading\nERROR: cannot open input\n", "ERROR: cannot open input"),
        ("real error\nDEBUG   [U=0,P=71]   create()   Setting up\n", "real error"),
        ("INFORMATION overload\n", "INFORMATION overload"),
        ("\x1b[31mred\x1b[0m\x07\n", "red"),
        ("Traceback (most recent call last):\n  File cut off", "File cut off"),
    ],
)
def test_the_line_that_says_best_why(stderr: str, line: str) -> None:
    assert last_words(stderr)[0] == line


@pytest.mark.parametrize("report", [TRACEBACK, TRACEBACK + HANDLING + WORSE, TRACEBACK + CAUSED + WORSE])
def test_a_traceback_is_kept_whole_with_all_that_belongs_to_it(report: str) -> None:
    _, traceback = last_words(TRACEBACK + "went on\n" + report + "INFO:    Cleaning up\n")
    assert traceback == report.strip()


@pytest.mark.parametrize("report", [GROUP, NESTED])
def test_the_tree_of_an_exception_group_is_kept_whole(report: str) -> None:
    _, traceback = last_words(TRACEBACK + "went on\n" + report + "more noise\n")
    assert traceback == report.rstrip()


def test_all_lines_of_an_exceptions_text_are_kept_and_its_first_line_tells_failures_apart() -> None:
    text = "2 validation errors for Job\nsteps\n  Field required [type=missing]\n\nname\n  Input should be a string"
    report = TRACEBACK.replace("ValueError: bad pixel", f"ValueError: {text}")
    line, traceback = last_words("noise\n" + report + "\n\nINFO:    Cleaning up\n")
    assert line == "ValueError: 2 validation errors for Job"
    assert traceback == report.strip()
    # The program may print a lot after the exception, and the text of an exception may be a file.
    _, traceback = last_words(TRACEBACK + "more\n" * 5000)
    assert traceback == TRACEBACK.strip() + "\nmore" * 20
    # An exception in the middle of a chain may have a long text, too.
    _, traceback = last_words(report + HANDLING + WORSE)
    assert traceback == (report + HANDLING + WORSE).strip()


@pytest.mark.parametrize("report", [JAVA, RUST, GO, JULIA])
def test_the_reports_of_other_languages_are_kept_too(report: str) -> None:
    _, trace = last_words("noise\n" + report)
    assert trace.splitlines() == [line for line in report.splitlines() if line.strip()]


def test_a_long_line_is_cut_in_its_middle() -> None:
    line, _ = last_words("begins" + "x" * 10_000 + "ends")
    assert len(line) == MAX_LINE
    assert line.startswith("begins")
    assert line.endswith("ends")


def test_of_a_long_traceback_the_exception_stays() -> None:
    deep = TRACEBACK.replace("    main()\n", "    main()\n" * 5000)
    _, traceback = last_words(deep)
    assert len(traceback) == MAX_TRACEBACK
    assert traceback.startswith("Traceback")
    assert traceback.endswith("ValueError: bad pixel")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TRACEBACK, "ValueError: bad pixel"),
        (GROUP, "ValueError: bad pixel"),
        ("no\nsuch  pixel", "no such pixel"),
        ("", "<no text>"),
    ],
)
def test_what_a_warm_task_says_becomes_one_line(text: str, line: str) -> None:
    assert one_line(text)[0] == line


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("cp: cannot stat '/x/infile-0123456789abcdef0123456789abcdef.in'", "cp: cannot stat '/x/infile.in'"),
        ("no event 5f0e8a52-9c1d-4f7e-8b1a-0a1b2c3d4e5f", "no event <id>"),
        ("<Pixel object at 0x7f3a5c2d1e80>", "<Pixel object at 0x...>"),
        ("ValueError: bad pixel 7", "ValueError: bad pixel 7"),
        ("code 0x1f", "code 0x1f"),
    ],
)
def test_what_differs_from_run_to_run_is_not_counted(text: str, same: str) -> None:
    assert without_names(text) == same


PIECES = "".join((TRACEBACK, HANDLING, GROUP, JAVA, JAVASCRIPT, R, RUST, RUST_CAUSES, GO, JULIA, FATAL)).splitlines()


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("\n".join)))
def test_any_output_becomes_one_printable_line(stderr: str) -> None:
    line, traceback = last_words(stderr)
    assert line
    assert len(line) <= MAX_LINE
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line.replace("\t", ""))
    assert len(traceback) <= MAX_TRACEBACK


@pytest.mark.parametrize(
    ("exit_code", "stderr", "expected"),
    [
        (255, "INFO:    x\nFATAL:   while extracting image: no space left on device\n", True),
        (255, "FATAL:   container creation failed: mount hook function failure\n\n", True),
        (1, "FATAL:   x\n", False),
        (255, "FATAL: the task's own\n", False),
        (125, "docker: Error response from daemon\n", True),
        (255, "", False),
    ],
)
def test_a_failure_of_the_container_runtime_is_told_from_the_tasks(exit_code: int, stderr: str, expected: bool) -> None:
    assert is_runtimes_own(exit_code, stderr) is expected
