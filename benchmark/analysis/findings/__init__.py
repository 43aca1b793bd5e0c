"""What the runs of a suite show, one file a kind of finding."""
