"""Dependence-graph credit assignment (DG): credit is the sum of the advantages of all agents that an action can have reached.

Le and Ta 2026, "Explicit Credit Assignment through Local Rewards and Dependence Graphs in Multi-Agent Reinforcement Learning"
(arXiv 2601.21523), and the authors' public code. Every agent has its own reward, its own value of it and its own advantage;
a graph says at each step which agents influence which.

    graph        earliest arrival, reachability, the multi-agent advantage
    sources      graphs that are not learned: empty, full, random, from the simulator
    world_model  the learned graph: reverse world models
    estimator    the advantage estimator of `ippo+dg` and `mappo+dg`

Differences from the paper or its code:
* Everywhere, the row of a matrix is the influencing agent, the column the influenced agent. The released code stores the
  learned graph transposed and reads it untransposed; the setting `transposed` reproduces that.
* The weight `1 - floor` of the graph is a setting of its own; in the code it is the lambda of the advantage estimates.
* Credit extends to the end of the episode (the code: 100 steps) and is computed by its closed form, see graph.py.
* The world models see the indices of both agents and are not trained on pairs of an agent with itself, see world_model.py.
* Ends of episodes and deaths are masked in the models.
"""
