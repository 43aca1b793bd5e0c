"""The commands of `creditbench`, by what they are about."""
