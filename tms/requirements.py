"""A user's `condor_requirements`: checked word by word before they stand in a submit description. (core)

Submit descriptions have no quoting: `$ENV(X)` in any value is replaced by TMS's own environment, a line end starts
another command. And some ClassAd functions look at the access point or the worker. So this is an allow-list: literals,
attribute names, operators, and functions of their arguments alone.
"""

import re

from tms.errors import Unsubmittable

MAX_LENGTH = 8192
MAX_DEPTH = 50

_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t]+)
    | (?P<string>"(?:[^"\\\x00-\x1f]|\\["\\nt])*")
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?[BKMGT]?(?![A-Za-z0-9_]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<operator>=\?=|=!=|&&|\|\||[<>=!]=|<<|>>>?|\?:|[-+*%!~<>&|^?:.,]|/(?![/*]))
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    """,
    re.VERBOSE | re.ASCII,
)
_PAIRS = {")": "(", "]": "[", "}": "{"}

#: Functions whose value depends on their arguments only (and `time`). Names in ClassAds know no case.
ALLOWED_FUNCTIONS = frozenset(
    {
        *("abs", "allcompare", "anycompare", "bool", "ceiling", "floor", "identicalmember", "ifthenelse"),
        *("int", "isabstime", "isboolean", "iserror", "isinteger", "islist", "isreal", "isreltime", "isstring"),
        *("isundefined", "join", "member", "pow", "quantize", "real", "regexp", "regexps", "replace", "replaceall"),
        *("round", "size", "split", "splitslotname", "splitusername", "strcat", "strcmp", "stricmp", "string"),
        *("stringlist_regexpmember", "stringlistimember", "stringlistmember", "stringlistsize", "substr", "time"),
        *("tolower", "toupper", "versioncmp", "versioneq", "versionge", "versiongt", "versionle", "versionlt"),
    }
)


def checked_requirements(text: str) -> str:
    """Return `text` on one line, if it is made of nothing but what is allowed, with every bracket closed.

    Whether it means something is for HTCondor to say; here it is certain that it stays one expression.

    Raises:
        Unsubmittable: it contains anything else.
    """
    if len(text) > MAX_LENGTH:
        raise Unsubmittable(f"condor_requirements is longer than {MAX_LENGTH} characters")
    if not text.replace("\t", " ").isprintable():
        raise Unsubmittable("condor_requirements: contains characters that cannot be seen")
    open_brackets: list[str] = []
    position, name_before = 0, ""
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise Unsubmittable(
                f"condor_requirements: not allowed at character {position + 1}",
                hint="one line of attribute names, numbers, strings in double quotes and ClassAd operators",
            )
        word, position = token[0], token.end()
        match token.lastgroup:
            case "blank":
                continue
            case "open":
                if word == "(" and name_before and name_before.lower() not in ALLOWED_FUNCTIONS:
                    raise Unsubmittable(f"condor_requirements: the function {name_before[:50]!r} is not allowed")
                open_brackets.append(word)
                if len(open_brackets) > MAX_DEPTH:
                    raise Unsubmittable(f"condor_requirements: more than {MAX_DEPTH} brackets within each other")
            case "close":
                if not open_brackets or open_brackets.pop() != _PAIRS[word]:
                    raise Unsubmittable(f"condor_requirements: bracket without its pair at character {position}")
        name_before = word if token.lastgroup == "name" else ""
    if open_brackets:
        raise Unsubmittable("condor_requirements: a bracket is not closed")
    return text.strip(" \t")
