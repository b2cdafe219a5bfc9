"""Show people their workflows: the graph, why something does not move, how far it is, and a stream of news."""
