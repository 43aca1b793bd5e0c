"""The `creditbench` command: `app` puts together what lies in `commands`."""
