"""The `creditbench` command: one file per command; `app` registers them."""
