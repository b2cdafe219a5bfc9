"""The decisions about jobs. They do no I/O."""
