"""`ewms-admin`: what operators run beside the services, before they start them and between their restarts."""
