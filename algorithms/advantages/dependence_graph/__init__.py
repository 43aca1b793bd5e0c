"""Dependence-graph credit assignment (DG): an agent is credited with the advantages of those whom its action can have reached.

Le and Ta 2026, "Explicit Credit Assignment through Local Rewards and Dependence Graphs in Multi-Agent Reinforcement Learning"
(arXiv 2601.21523), and the authors' public code. Every agent has its own reward, its own value of it and its own advantage;
a graph says at each step who influences whom.

    graph        what a graph does to credit: earliest arrival, reachability, the multi-agent advantage
    sources      graphs that nobody learns: none, all, by chance, from the simulator
    world_model  the learned graph: reverse world models
    estimator    the advantage estimator of `ippo+dg` and `mappo+dg`

What differs from the paper or from its code, and why:
* A matrix's row is the influencer, its column the influenced, everywhere. The released code stores the learned graph the
  other way round and reads it this way; `transposed` reproduces that.
* The trust in the graph (`1 - floor`) is a setting of its own; in the code it is the lambda of the advantage estimates.
* Credit looks ahead to the end of the episode (the code: 100 steps) and is computed by its closed form, see graph.py.
* The world models see who is asked about whom and are not trained on pairs of an agent with itself, see world_model.py.
* Ends of episodes and deaths are masked in the models.
"""
