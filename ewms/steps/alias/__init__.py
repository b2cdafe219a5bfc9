"""Let packages that were written for orchestrator-core run unchanged: their imports find EWMS's step lists.

    from ewms.steps.alias import install_alias

    install_alias("orchestrator")
    import their_package

`ewms worker --alias orchestrator` does this before it imports its modules.
"""

from ewms.steps.alias.finder import ALIASES, AliasTaken, install_alias, use_alias

__all__ = ["ALIASES", "AliasTaken", "install_alias", "use_alias"]
