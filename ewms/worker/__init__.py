"""The step worker. It takes `node.run`, calls the step's function, and publishes `node.ended`. It stores nothing."""
