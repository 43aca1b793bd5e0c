"""One run, from its specification to its record: rollout, update, evaluation, checkpoints, resume."""
