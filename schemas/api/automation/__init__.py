"""The bodies of the routes of the catalogue, inventories, jobs and secrets."""
