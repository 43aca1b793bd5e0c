"""The studies of dependence graphs, one file each."""
