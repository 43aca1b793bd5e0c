"""The studies of TAR2, one file each."""
