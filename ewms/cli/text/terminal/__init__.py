"""Standard input, output and the terminal: streams may be closed or full, and a terminal obeys escape sequences."""
