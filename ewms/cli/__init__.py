"""The `ewms` command. Its modules import large libraries inside of functions, so that `ewms --help` answers at once."""
