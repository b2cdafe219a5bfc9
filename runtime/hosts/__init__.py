"""Other hosts: lists of their names, and the certificates that prove who they are."""
