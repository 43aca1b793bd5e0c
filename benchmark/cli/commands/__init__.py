"""The commands of `creditbench`, one file each."""
