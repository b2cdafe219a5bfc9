"""The pool without HTCondor: TMS runs the jobs as its own child processes."""
