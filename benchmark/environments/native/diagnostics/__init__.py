"""Small worlds whose answer is known: matrix games, synergy, beacon, rooms, spread variants."""
