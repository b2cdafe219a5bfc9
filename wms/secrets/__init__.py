"""Keep the secrets of organizations, and hand them to the TMS that starts a task which names them (C33)."""
