"""`python -m benchmark.cli`: the `creditbench` command."""

from benchmark.cli.app import main

main()
