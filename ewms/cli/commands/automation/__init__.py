"""Commands about tasks on hosts: the catalogue, inventories, jobs, trees, and the secrets that they use."""
