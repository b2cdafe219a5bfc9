"""Read workflows, task directives and taskforces for users: one, their health, and pages of queries."""
