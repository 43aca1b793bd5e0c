"""What is compared and measured, one folder a paper: README, suites, studies. `toolkit` has what studies share."""
