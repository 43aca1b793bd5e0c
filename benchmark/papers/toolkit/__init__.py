"""What the studies of several papers share."""
