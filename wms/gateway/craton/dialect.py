"""The dialect "craton": flat paths without mandatory parameters of the query. A slash at a path's end changes nothing.

It shares its prefixes with our own dialect, and the form of its errors too.
"""

from runtime.web.dialects import Dialect

CRATON = Dialect(
    name="craton",
    prefixes=("/v1", "/v0"),
    ignores_trailing_slash=True,
    about="Register tasks, approve them, and follow how their images are built and brought to the clusters.",
)
