"""Studies of the benchmark itself, which belong to no paper; what a study is says `benchmark.papers.study`.

They measure with what the report computes with, so this room lies above benchmark/analysis. `benchmark.papers.studies`, which
lists all studies, names them by their modules and imports these only when they are run.
"""
