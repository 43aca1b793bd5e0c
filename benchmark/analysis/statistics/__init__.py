"""Aggregates over runs and tasks, with 95 % intervals. Episodes have been averaged before anything arrives here.

* resampling: the bootstrap, its correction for few runs, the smallest sample
* resolution: what the number of evaluation episodes can resolve
* one_task: means, interquartile means, differences and ratios over the runs of one task
* over_tasks: IQM, median, mean, optimality gap, profile and sample efficiency of a variant, by rliable
* pairs: probability of improvement, tests of differences, Holm's correction, places
* rliable_bootstrap: rliable's bootstrap on given resamples; imported where it is used
"""
