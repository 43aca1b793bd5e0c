"""SMAClite (Michalski, Christianos and Albrecht 2023): combat of small units on a 32 x 32 board, simulated natively.

`maps.py` reads and checks the data files, `scenario.py` turns a map into arrays, the `kernels_*` modules are the rules, one
subject each, and `environment.py` is the batched environment. Planning may import `maps` and `scenario`: neither needs numba.
"""
