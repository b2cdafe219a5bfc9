"""Tasks from git or from directories: versions, approval, builds, and who may see and run them."""
