"""The studies of dependence graphs, one file each; the paper's README.md says which claim each one tests."""

from __future__ import annotations

from benchmark.papers.study import DEPENDENCE_GRAPHS, Study

STUDIES = (
    Study(
        name="dependence-graph-gradients",
        title="What dependence graphs do to the policy gradient",
        question="Is the gradient still that of the team's return, and how much less does it vary, by graph and critic?",
        source=DEPENDENCE_GRAPHS,
        minutes=4,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_gradients:study",
    ),
    Study(
        name="dependence-graph-cost",
        title="What dependence graphs cost",
        question="What do inferring edges, sharing credit along them and learning them cost beside PPO, for 2 to 100 agents?",
        source=DEPENDENCE_GRAPHS,
        minutes=4,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_cost:study",
        about_time=True,
    ),
    Study(
        name="dependence-graph-recovery",
        title="Whether learned dependence graphs match known ones",
        question="Do reverse world models find the influence that interventions show?",
        source=DEPENDENCE_GRAPHS,
        minutes=16,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_recovery:study",
    ),
    Study(
        name="dependence-graph-threshold",
        title="Which way the threshold of the dependence graph works",
        question="Do edges grow more or fewer with the threshold c, and where is the learned graph right?",
        source=DEPENDENCE_GRAPHS,
        minutes=6,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_threshold:study",
    ),
    Study(
        name="dependence-graph-influence",
        title="Influence by actions and by states",
        question="Does the learned graph detect influence through states, and does a test of states detect it?",
        source=DEPENDENCE_GRAPHS,
        minutes=5,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_influence:study",
    ),
)
