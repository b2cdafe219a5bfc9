"""Child processes: run under other accounts, restarted when they end, ended with the launcher."""
