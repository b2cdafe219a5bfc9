"""TMS turns taskforces into HTCondor clusters, and their job event logs into statuses. Each schedd has one TMS process.

TMS has no database: a cluster in HTCondor carries its taskforce's uuid, and the cluster's log holds the rest.
"""
