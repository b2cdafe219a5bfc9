"""Tasks on hosts: the catalogue and its builds, inventories, jobs, templates, and what launches them."""
