"""Small grid worlds."""
