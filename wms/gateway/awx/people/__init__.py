"""The routes of users, teams, and the roles that they have: on templates, in organizations, in teams."""
