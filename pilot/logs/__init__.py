"""Read what each run writes, and publish it in pieces while the run goes on."""
