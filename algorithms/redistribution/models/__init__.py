"""What the methods of redistribution share: reward models, their tokens and attention, credit by coalitions."""
