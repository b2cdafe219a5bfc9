"""The `ewms` command. Its modules import heavy libraries within functions, so that `ewms --help` answers at once."""
