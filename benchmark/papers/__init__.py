"""Experiments by paper: one folder for each, with its claims and results (README.md), suites (suites/) and studies (studies/).

* tar2: return redistribution over time and agents (Kapoor et al. 2024, 2025), with uniform, IRCR and AREL
* stas: spatial-temporal return decomposition with coalition masks (Chen et al. 2024)
* dependence_graphs: credit along learned dependence graphs (Le and Ta 2026)
* toolkit: what studies of several papers share
* study: what a study is; studies: all of them by name; runner: runs one
"""
