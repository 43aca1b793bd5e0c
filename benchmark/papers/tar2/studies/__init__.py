"""The studies of TAR2, one file each; the paper's README.md says which claim each one tests."""

from __future__ import annotations

from benchmark.papers.study import AREL, IRCR, STAS, TAR2, Study

STUDIES = (
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
        question="How much less do gradients vary under redistributed rewards, and how much does their direction change?",
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
        source=f"{TAR2}; {STAS}; {AREL}; {IRCR}",
        minutes=3,
        function="benchmark.papers.tar2.studies.return_equivalence:study",
    ),
    Study(
        name="learned-policies",
        title="What was learned from redistributed rewards",
        question="Are the policies that learned from redistributed rewards optimal for the game, and if not, why?",
        source=TAR2,
        minutes=0.5,
        function="benchmark.papers.tar2.studies.learned_policies:study",
    ),
)
