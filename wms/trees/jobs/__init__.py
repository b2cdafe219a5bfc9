"""The jobs of templates: launched in turn, found, explained, drawn, and launched again."""
