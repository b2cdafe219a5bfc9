"""Find workflows whose work waits without progress, the workers that are missing, and the reasons."""
