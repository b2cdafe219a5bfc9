"""The questions that services ask each other over the bus, and the answers."""
