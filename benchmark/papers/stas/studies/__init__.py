"""The studies of STAS, one file each."""
