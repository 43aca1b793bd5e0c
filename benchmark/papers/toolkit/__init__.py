"""What studies of several papers share.

* estimators: intervals of means, shares and growth exponents; verdicts about them
* reward_model_fits: frozen policies, their episodes, and reward models fitted to the returns of these
* synthetic_episodes: teams and episodes made from arrays
* profiling: processor time and peak memory of a call
"""
