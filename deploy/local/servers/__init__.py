"""The real servers: RabbitMQ, MongoDB, HTCondor and a token issuer."""
