"""TMS: turns taskforces into HTCondor clusters and their job event logs into statuses. One process per schedd.

HTCondor is its only memory: a cluster carries its taskforce's uuid, and the cluster's log holds the rest.
"""
