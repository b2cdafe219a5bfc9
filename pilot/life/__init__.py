"""The pilot's decisions: (state, stimulus) -> (state, instructions). Every module here is a core."""
