"""Inventories: hosts, groups, labels and variables of one organization, on which tasks of the catalogue run."""
