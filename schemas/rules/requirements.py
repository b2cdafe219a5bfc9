"""Check a user's `condor_requirements` word by word, before they go into a submit description. (core)

Submit descriptions have no quoting: in any value, HTCondor replaces `$ENV(X)` with a variable of TMS's environment, and
a line end starts another command. Some ClassAd functions read files of the access point or the worker. So this module
allows only literals, attribute names, operators, and functions that use only their arguments. WMS checks a request
before it accepts the request, so that the user learns of a fault. TMS checks again before it writes the submit
description.
"""

import re

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

#: A `$` in a string may end a regular expression. Before one of these characters, HTCondor would see a macro.
_MACRO = re.compile(r"\$[A-Za-z0-9_$(\[{]", re.ASCII)
#: The two operators that look like names. ClassAds ignore the case of names.
_NAMED_OPERATORS = frozenset({"is", "isnt"})

_OPERANDS = ("name", "number", "string")

#: Functions whose value depends on their arguments only, and `time`. ClassAds ignore the case of names.
ALLOWED_FUNCTIONS = frozenset(
    {
        *("abs", "abstime", "allcompare", "anycompare", "avg", "bool", "ceiling", "daytime", "floor", "formattime"),
        *("identicalmember", "ifthenelse", "int", "interval", "isabstime", "isboolean", "isclassad", "iserror"),
        *("isinteger", "islist", "isreal", "isreltime", "isstring", "isundefined", "join", "max", "member", "min"),
        *("pow", "quantize", "real", "regexp", "regexpmember", "regexps", "reltime", "replace", "replaceall", "round"),
        *("size", "split", "splitslotname", "splittime", "splitusername", "strcat", "strcmp", "stricmp", "string"),
        *("stringlist_regexpmember", "stringlistavg", "stringlistimember", "stringlistisubsetmatch", "stringlistmax"),
        *("stringlistmember", "stringlistmin", "stringlistsintersect", "stringlistsize", "stringlistsubsetmatch"),
        *("stringlistsum", "substr", "sum", "time", "tolower", "toupper", "versioncmp", "versioneq", "versionge"),
        *("versiongt", "versionle", "versionlt"),
    }
)


class BadRequirements(ValueError):
    """The requirements are not an expression, or contain something that is not allowed."""


def check_requirements(text: str) -> str:
    """Return `text` without the blanks around it, if it contains only allowed words.

    Every bracket must have its pair, and there must be an operator between any two operands. So `text` certainly is one
    expression. HTCondor decides whether the expression makes sense.

    Raises:
        BadRequirements: `text` is not an expression, or contains something that is not allowed.
    """
    if len(text) > MAX_LENGTH:
        raise BadRequirements(f"is longer than {MAX_LENGTH} characters")
    if not text.replace("\t", " ").isprintable():
        raise BadRequirements("contains characters that cannot be seen")
    open_brackets: list[str] = []
    #: The word before this one, and its kind. Blanks do not count.
    before, kind = "", "operator"
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or token.lastgroup is None:
            raise BadRequirements(f"is not an expression of ClassAds at character {position + 1}")
        word, found, begins_at = token[0], token.lastgroup, position + 1
        position = token.end()
        if found == "blank":
            continue
        if found == "name" and word.lower() in _NAMED_OPERATORS:
            found = "operator"
        begins_operand = found in _OPERANDS or word == "{" or (word == "(" and kind != "name")
        if begins_operand and kind in (*_OPERANDS, "close"):
            raise BadRequirements(f"needs an operator before character {begins_at}")
        if found == "close" and kind == "operator":
            raise BadRequirements(f"needs something behind the operator before character {begins_at}")
        match found:
            case "string" if _MACRO.search(word):
                raise BadRequirements("'$' may only stand where a regular expression ends")
            case "open":
                if word == "(" and kind == "name" and before.lower() not in ALLOWED_FUNCTIONS:
                    raise BadRequirements(f"the function {before[:50]!r} is not allowed")
                open_brackets.append(word)
                if len(open_brackets) > MAX_DEPTH:
                    raise BadRequirements(f"has more than {MAX_DEPTH} brackets within each other")
            case "close":
                if not open_brackets or open_brackets.pop() != _PAIRS[word]:
                    raise BadRequirements(f"has a bracket without its pair at character {begins_at}")
        before, kind = word, found
    if open_brackets:
        raise BadRequirements("has a bracket that is not closed")
    if before and kind == "operator":
        raise BadRequirements("ends with an operator")
    return text.strip(" \t")
