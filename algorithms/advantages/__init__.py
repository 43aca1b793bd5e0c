"""Advantage estimators of the on-policy learner."""
