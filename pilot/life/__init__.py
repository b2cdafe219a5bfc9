"""The pilot's decisions: (state, stimulus) -> (state, instructions). Every module in this package is a core."""
