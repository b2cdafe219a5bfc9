"""Who sends a request, which tokens are valid, and how much of the process one caller may use."""
