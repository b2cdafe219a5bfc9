"""The graph of a template: its rules, its one document, and the definition that the engine runs."""
