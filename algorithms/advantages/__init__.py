"""What an action was worth: the estimators that the on-policy learner can ask."""
