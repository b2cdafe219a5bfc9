"""Child processes: start them under other accounts, restart those that end, and end them with the launcher."""
