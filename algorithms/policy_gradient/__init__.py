"""The on-policy learner and its two seams.

learner              PolicyGradient: owns the actors and updates them (PPO's clipped objective)
advantage_estimator  AdvantageEstimator: what each action was worth; the methods are in algorithms/advantages
redistributor        Redistributor: what each agent is paid at each step; the methods are in algorithms/redistribution
actor_samples        what the actors learn from in an update
"""
