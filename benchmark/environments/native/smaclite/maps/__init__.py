"""Maps, units and terrain of SMAClite, and the arrays made of them. Free of numba."""
