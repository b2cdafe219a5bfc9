"""The step worker: it takes `node.run`, calls the function, publishes `node.ended`, and remembers nothing."""
