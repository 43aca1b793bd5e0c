"""Turning an episode's return into a reward for every agent and step."""
