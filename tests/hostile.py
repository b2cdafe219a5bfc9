"""Texts that mean more than they say to a submit description, a shell, a ClassAd, a path or a terminal."""

_MACROS = [
    "$ENV(EWMS_CONTROL_AMQP_URL)",
    "$(SECRET)",
    "$$(Machine)",
    "$$([time()])",
    "$RANDOM_INTEGER(1,9)",
    "$F(/etc/passwd)",
    "$INT(X)",
    "$CHOICE(0,a,b)",
    "$(DOLLAR)ENV(HOME)",
    "$",
    "$$",
    "`id`",
    "$(id)",
    "${IFS}",
    "%(x)s",
    "{{INFILE}}",
]
_LINES = [
    "\nexecutable=/bin/evil",
    "x\nqueue 1000",
    "x\r\nrequirements=true",
    "x\rarguments=a",
    '\n+Owner="root"',
    "x\\\nexecutable=/bin/evil",
    "\ninclude : /etc/passwd",
    "\ninclude command : id |",
    "@=end\nqueue\n@end",
    "x\n...\n000 (001.000.000) 2026-11-21 01:30:05 Job submitted\n...\n",
    "\x0bqueue",
    "\x0cqueue",
    "\u2028queue",
    "\x85queue",
    "\0",
    "a\0b",
]
_EXPRESSIONS = [
    "true) || (true",
    ") || true || (",
    'userHome("root") =!= ""',
    'UserHome ("root") == "x"',
    'envV1ToV2("A=b") == "x"',
    'mergeEnvironment("A=b") == "x"',
    'userMap("m", "u") == "x"',
    'eval("1") == 1',
    'unparse(Requirements) == ""',
    "random(10) > 1",
    "debug(true)",
    "evalInEachContext(true, {}) > 0",
    "countMatches(true, {}) > 0",
    'unresolved(A) == ""',
    '[a = 1; b = userHome("x")].b == 1',
    "a = 1",
    "a; b",
    "true # comment",
    "true // comment",
    "true /* comment */",
    "'single' == 1",
    '"unclosed',
    '"bad\\x escape"',
    "(((",
    ")))",
    "({)}",
    "a @ b",
    "a \\ b",
    "`x`",
    'Owner == "\u00e9" \u2028',
    "caf\u00e9 == 1",
    "1x == 1",
    "(" * 60 + "1" + ")" * 60,
]
_PATHS = [
    "/etc/passwd,/etc/shadow",
    "../../etc/passwd",
    "/srv/in/../../etc/passwd",
    "/srv/in/a b\n",
    "/srv/in/a;b",
    '/srv/in/"quoted"',
    "/srv/in/'quoted'",
    "/srv/in/$(x)",
    "/srv/in/a\\b",
    "http://evil.example.org/x",
    "file:///etc/passwd",
    "-rf",
    "~root/x",
    "",
    ".",
    "/",
    "relative/path",
    " /srv/in/x",
    "/srv/in/x ",
]
_TERMINAL = ["\x1b[2J", "\x1b]0;owned\x07", "\x1b[31mred", "a\x08b", "\x7f", "\u202eevil", "\x9b2J"]
_OPTIONS = ["--help", "-v", "--mount=/", "-o ProxyCommand=id", "--bind /:/host", "-- rm -rf /"]
_QUERIES = [
    '{"$where": "1"}',
    "$where",
    "'; DROP TABLE x; --",
    '" OR 1=1 --',
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>",
]
_QUOTES = ["'", '"', "''", '""', "' \"", "a'b\"c", '\\"', "\\'", "a b", "a\tb", "'; id; '", '"; id; "']

_SEEDS = [*_MACROS, *_LINES, *_EXPRESSIONS, *_PATHS, *_TERMINAL, *_OPTIONS, *_QUERIES, *_QUOTES]

#: Each by itself, and behind an innocent beginning.
CORPUS: list[str] = [*_SEEDS, *(f"Memory > 1 && {seed}" for seed in _SEEDS)]
#: The part of it that is harmful, or wrong, as a requirement wherever it stands.
EXPRESSIONS: list[str] = [*(m for m in _MACROS if "$" in m), *_LINES, *_EXPRESSIONS]
