"""Alice & Bob."""
