"""What a user chooses at a start, and what the machine must have: options, ports, prerequisites."""
