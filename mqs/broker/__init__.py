"""The broker's data vhost: what stands there, how full it is, and what went through it."""
