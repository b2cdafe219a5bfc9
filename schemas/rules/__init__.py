"""The rules for the content of a request: names, sizes and limits. A pure function checks each rule."""
