"""The bodies of the routes of workflows: requests, and one workflow seen from all sides."""
