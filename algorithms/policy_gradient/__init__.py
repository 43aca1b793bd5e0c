"""The on-policy learner and its two interfaces for methods.

learner              PolicyGradient: owns the actors and updates them (PPO's clipped objective)
advantage_estimator  AdvantageEstimator: advantages of the actions; the methods are in algorithms/advantages
redistributor        Redistributor: the reward of each agent at each step; the methods are in algorithms/redistribution
actor_samples        the samples that the actors learn from
"""
