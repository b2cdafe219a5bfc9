"""Ways to run EWMS; `deploy.local` runs it on one machine as child processes."""
