"""Networks of agents, critics and reward models, and their fused kernels."""
