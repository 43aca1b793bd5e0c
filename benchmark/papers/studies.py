"""Studies: measured experiments that are not training runs of a suite. One study is one file; this is the list of them.

Free of torch: a study is imported when it is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass

TAR2 = "Kapoor et al. 2024, arXiv 2412.14779; Kapoor et al. 2025, arXiv 2502.04864"
STAS = "Chen et al. 2024, arXiv 2304.07520"
AREL = "Xiao et al. 2022"
DG = "Le and Ta 2026, arXiv 2601.21523"


@dataclass(frozen=True)
class Study:
    """One study. `function` ("module:callable") is called with (quick, progress) and returns `Findings`.

    `source`: whose statements it tests. `minutes`: what it roughly takes on one core. `about_time`: whether its numbers are
    readings of a clock, which no two executions share.
    """

    name: str
    title: str
    question: str
    source: str
    minutes: float
    function: str
    about_time: bool = False


_ALL = (
    Study(
        name="policy-preservation",
        title="What redistribution does to the optimal policy",
        question="Does a redistributed return leave the optimal policies and the direction of the policy gradient unchanged?",
        source=TAR2,
        minutes=1,
        function="benchmark.papers.tar2.studies.policy_preservation:study",
    ),
    Study(
        name="gradient-variance",
        title="Variance and bias of the policy gradient",
        question="How much less do gradients vary under redistributed rewards, and how far do they turn away?",
        source=TAR2,
        minutes=7,
        function="benchmark.papers.tar2.studies.gradient_variance:study",
    ),
    Study(
        name="redistribution-cost",
        title="What redistribution costs",
        question="How do time and memory of the reward models grow with agents and steps?",
        source=f"{TAR2}; {STAS}; {AREL}",
        minutes=3,
        function="benchmark.papers.tar2.studies.redistribution_cost:study",
        about_time=True,
    ),
    Study(
        name="return-equivalence",
        title="Whether redistributed rewards sum to the return",
        question="Do redistributed rewards sum to the return on real episodes, deaths included?",
        source=f"{TAR2}; {STAS}; {AREL}; Gangwani et al. 2020",
        minutes=3,
        function="benchmark.papers.tar2.studies.return_equivalence:study",
    ),
    Study(
        name="credit-recovery",
        title="Whether reward models recover known credit",
        question="How near do the learned scores come to the true credit, and what do time, agents and coalitions each add?",
        source=f"{TAR2}; {STAS}; {AREL}",
        minutes=15,
        function="benchmark.papers.stas.studies.credit_recovery:study",
    ),
    Study(
        name="learned-policies",
        title="What was learned from redistributed rewards",
        question="Are the policies that learned from redistributed rewards optimal for the game, and if not, why?",
        source=TAR2,
        minutes=0.5,
        function="benchmark.papers.tar2.studies.learned_policies:study",
    ),
    Study(
        name="stas-pipeline",
        title="Whether STAS credits keys and treasure",
        question="Does the reward model of STAS learn Alice & Bob from few successes, and does it pay for what matters?",
        source=STAS,
        minutes=8,
        function="benchmark.papers.stas.studies.stas_pipeline:study",
    ),
    Study(
        name="dependence-graph-gradients",
        title="What dependence graphs do to the policy gradient",
        question="Is the gradient still the team's, and how much less does it vary, by graph and by critic?",
        source=DG,
        minutes=4,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_gradients:study",
    ),
    Study(
        name="dependence-graph-cost",
        title="What dependence graphs cost",
        question="What do inferring edges, sharing credit along them and learning them cost, beside PPO, for 2 to 100 agents?",
        source=DG,
        minutes=4,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_cost:study",
        about_time=True,
    ),
    Study(
        name="dependence-graph-recovery",
        title="Whether learned dependence graphs match known ones",
        question="Do reverse world models find who influences whom where an intervention shows it?",
        source=DG,
        minutes=16,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_recovery:study",
    ),
    Study(
        name="dependence-graph-threshold",
        title="Which way the threshold of the dependence graph works",
        question="Do edges grow more or fewer with the threshold c, and where is the learned graph right?",
        source=DG,
        minutes=6,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_threshold:study",
    ),
    Study(
        name="dependence-graph-influence",
        title="Influence by actions and by states",
        question="Does the learned graph see influence that goes through states, and does a test of states see it?",
        source=DG,
        minutes=5,
        function="benchmark.papers.dependence_graphs.studies.dependence_graph_influence:study",
    ),
)

STUDIES = {study.name: study for study in _ALL}
