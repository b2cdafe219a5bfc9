"""What workers wrote: read it, keep it while the disk has room, pack it away."""
