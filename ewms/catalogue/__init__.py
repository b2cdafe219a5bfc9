"""Catalogue tasks on a server: register, approve, rebuild and delete them, and read the logs of their builds."""
