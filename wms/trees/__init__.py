"""Decision trees: templates of nodes joined by success, failure and always edges, and their launches."""
