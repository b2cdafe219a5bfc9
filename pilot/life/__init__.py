"""What a pilot decides: (state, stimulus) -> (state, instructions). Every module here is a core."""
