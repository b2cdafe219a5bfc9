"""The rules for the content of a request: names, sizes and limits. Pure functions check each."""
