"""SMAClite (Michalski, Christianos and Albrecht 2023): combat of small units on a 32 x 32 board, simulated natively.

The modules of `maps` read and check the data files and turn a map into arrays, those of `kernels` are the rules, one subject
each, and `environment.py` is the batched environment. Planning may import `maps`, which needs no numba.
"""
