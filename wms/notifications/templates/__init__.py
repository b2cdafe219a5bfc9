"""Read notification templates from requests, and tell what a change of one changed."""
