"""How Sphinx makes HTML of the documents: `make docs`."""

project = "EWMS"
author = "The EWMS developers"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "EWMS"
exclude_patterns = ["examples/**/task/**"]
myst_heading_anchors = 6
myst_enable_extensions = ["colon_fence"]
nitpicky = True
highlight_language = "none"
# Pygments knows neither drawings in Mermaid nor shell lines with an ellipsis.
suppress_warnings = ["misc.highlighting_failure"]
