"""The `creditbench` command: one file a command; `app` puts them together."""
