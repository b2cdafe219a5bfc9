"""The `ewms` command. Its modules import what they need inside the commands, so that `ewms --help` answers at once."""
