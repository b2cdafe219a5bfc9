"""The control bus: services send each other events, ask questions and answer them."""
