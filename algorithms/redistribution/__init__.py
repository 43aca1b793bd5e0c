"""Methods that redistribute an episode's return: a reward for every agent and step."""
