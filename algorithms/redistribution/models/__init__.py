"""Common parts of the redistribution methods: reward model, tokens, attention, coalitions, reward assignment."""
