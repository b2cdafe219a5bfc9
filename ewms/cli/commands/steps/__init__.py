"""Commands about step lists: processes, flows, subscriptions, and the step workers."""
