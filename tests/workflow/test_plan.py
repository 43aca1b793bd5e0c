"""What the plan says of a suite, and that it says so without torch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from algorithms.plugins import UnknownName
from algorithms.registry import algorithms
from benchmark.experiments import run_spec
from benchmark.experiments.record import make_record, write_record
from benchmark.experiments.run_spec import EvaluationSchedule, RunSpec
from benchmark.experiments.store import Store
from benchmark.experiments.suite import SUITE_FOLDER, Suite, SuiteError, SuiteTask, Variant, load_suite, suite_names
from benchmark.workflow import plan as planning
from benchmark.workflow.pipeline import ConfigError, Pipeline
from tests.fixtures.synthetic_records import made_up_record

ROOT = Path(__file__).parents[2]
SUITE = Suite(
    name="mine",
    title="Mine",
    description="For a test.",
    tasks=(SuiteTask(task="lbf/5x5-2p-1f-coop", budget=100_000),),
    variants={"ippo": Variant(algorithm="ippo"), "mappo": Variant(algorithm="mappo")},
    seeds=(0, 1),
    evaluation=EvaluationSchedule(points=2, episodes=10, absolute_episodes=20),
)
STEPS = 100_000 + (2 * 10 + 20) * 50


def specs(variant: str) -> list[RunSpec]:
    return [run.spec for run in SUITE.runs() if run.variant == variant]


def put_record(path: Path, spec: RunSpec, *, seconds: float = 10.0, status: str = "ok") -> None:
    """A record made up for the plan, which reads its identity, its status and its seconds."""
    made_up = made_up_record(spec, [0.5] * spec.evaluation.points, failed_at=None if status == "ok" else spec.budget // 2)
    execution = made_up.execution.model_copy(update={"seconds": {"total": seconds}})
    write_record(path, make_record(spec, made_up.origin, made_up.outcome, execution))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_planning_imports_neither_torch_nor_numba() -> None:
    code = (
        "import sys, benchmark.cli.app\n"
        "from benchmark.workflow.pipeline import Pipeline\n"
        "pipeline = Pipeline({'suites': ['quick', 'lbf-baselines', 'mpe-baselines']})\n"
        "assert pipeline.records\n"
        "benchmark.cli.app.main(['plan', 'quick'])\n"
    )
    check = "print([name for name in ('torch', 'numba', 'pandas', 'matplotlib') if name in sys.modules])"
    command = f"import atexit, sys\natexit.register(lambda: {check})\n{code}"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_nothing_is_there_at_first(store: Store) -> None:
    plan = planning.plan(SUITE, store)
    assert plan.count("missing") == len(plan.to_train) == 4
    assert plan.stale == ()


def test_records_are_found_where_they_lie(store: Store) -> None:
    first, second = specs("ippo")
    put_record(store.reference(first), first)
    put_record(store.own(second), second, status="failed")
    plan = planning.plan(SUITE, store)
    assert [run.found.presence for run in plan.runs] == ["reference", "own", "missing", "missing"]
    assert plan.failed == 1
    assert [run.planned.variant for run in plan.to_train] == ["mappo", "mappo"]


def test_retraining_counts_committed_records_as_missing(store: Store) -> None:
    for spec in specs("ippo"):
        put_record(store.reference(spec), spec)
    assert len(planning.plan(SUITE, store).to_train) == 2
    assert len(planning.plan(SUITE, store, retrain=True).to_train) == 4
    assert len(planning.plan(SUITE.model_copy(update={"always_train": True}), store).to_train) == 4


def test_a_crashed_run_is_shown_with_its_reason_and_trained_again(store: Store) -> None:
    spec = specs("ippo")[0]
    note = store.crash_note(spec)
    note.parent.mkdir(parents=True)
    note.write_text('{"reason": "out of memory"}')
    run = planning.plan(SUITE, store).runs[0]
    assert (run.found.presence, run.found.reason, run.to_train) == ("crashed", "out of memory", True)


def test_a_corrupt_record_is_shown_and_not_trained_over(store: Store) -> None:
    first, second = specs("ippo")
    put_record(store.own(first), first)
    store.own(first).write_text(store.own(first).read_text().replace('"steps_done":100000', '"steps_done":100001'))
    put_record(store.own(second), first)
    plan = planning.plan(SUITE, store)
    assert plan.count("corrupt") == 2
    assert "outcome_sha256" in str(plan.runs[0].found.reason)
    assert "another run" in str(plan.runs[1].found.reason)
    assert len(plan.to_train) == 2


def test_a_record_of_an_older_version_is_stale(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in (*specs("ippo"), *specs("mappo")):
        put_record(store.reference(spec), spec)
    raised = {
        name: replace(entry, version=entry.version + 1) if name == "ippo" else entry for name, entry in algorithms().items()
    }
    monkeypatch.setattr(run_spec, "algorithms", lambda: raised)
    plan = planning.plan(SUITE, store)
    assert [run.planned.variant for run in plan.to_train] == ["ippo", "ippo"]
    now = raised["ippo"].version
    assert [entry.changed for entry in plan.stale] == [f"algorithm {now - 1} -> {now}"] * 2
    assert {store.root / entry.path for entry in plan.stale} == set(store.root.glob("results/reference/**/ippo-*/record.json"))


def test_the_price_follows_the_measured_speed(store: Store) -> None:
    for spec, seconds in zip(specs("ippo"), (10.0, 30.0), strict=True):
        other = spec.model_copy(update={"seed": spec.seed + 50})
        put_record(store.reference(other), other, seconds=seconds)
    prices = {run.planned.variant: run.price for run in planning.plan(SUITE, store).runs}
    # The median of two speeds is their mean; a run costs its steps at that speed.
    expected = STEPS / ((STEPS / 10 + STEPS / 30) / 2)
    assert prices["ippo"].core_seconds == pytest.approx(expected)
    assert prices["mappo"].core_seconds == pytest.approx(STEPS / planning.NOMINAL_STEPS_PER_SECOND["lbf"])
    assert prices["mappo"].source == "nominal"


def stas(**redistribution: float) -> RunSpec:
    return run_spec.resolve(
        task="lbf/5x5-2p-1f-coop",
        algorithm="ippo+stas",
        regime="episodic",
        seed=0,
        budget=100_000,
        settings={"redistribution": redistribution},
    )


def test_a_reward_model_has_its_price_and_twice_the_gradient_steps_cost_twice_as_much(store: Store) -> None:
    plain = run_spec.resolve(task="lbf/5x5-2p-1f-coop", algorithm="ippo", regime="episodic", seed=0, budget=100_000)
    prices = planning.Prices(store)
    without, once, twice = (
        prices.of(spec).core_seconds
        for spec in (plain, stas(gradient_steps_per_episode=1.0), stas(gradient_steps_per_episode=2.0))
    )
    assert twice - without == pytest.approx(2 * (once - without))
    assert once > 10 * without


def test_a_reward_model_costs_as_much_beside_a_real_package_as_beside_our_simulator(store: Store) -> None:
    plain = run_spec.resolve(task="lbf/5x5-2p-1f-coop", algorithm="ippo", regime="episodic", seed=0, budget=100_000)
    cost = {}
    for backend in ("native", "reference"):
        without, with_model = (
            planning.Prices(store)._speed(spec.model_copy(update={"backend": backend}))[0]
            for spec in (plain, stas(gradient_steps_per_episode=2.0))
        )
        steps = planning.total_steps(plain)
        cost[backend] = steps / with_model - steps / without
    assert cost["reference"] == pytest.approx(cost["native"]) != 0


def test_a_record_with_a_cheaper_reward_model_does_not_price_a_dearer_one(store: Store) -> None:
    cheap, dear = stas(gradient_steps_per_episode=0.1), stas(gradient_steps_per_episode=10.0)
    put_record(store.reference(cheap), cheap, seconds=1.0)
    prices = planning.Prices(store)
    assert prices.of(cheap.model_copy(update={"seed": 1})).source == "median of 1 record"
    assert prices.of(dear).source == "nominal"


def test_a_record_whose_settings_are_no_longer_known_prices_nothing_and_stops_no_plan(store: Store) -> None:
    old = specs("ippo")[0].model_copy(update={"algorithm_version": 0, "settings": {"a_setting_of_old": 3}})
    put_record(store.reference(old), old)
    made = planning.plan(SUITE, store)
    assert {run.price.source for run in made.runs} == {"nominal"}


def test_the_steps_of_a_run_include_its_evaluation() -> None:
    assert planning.total_steps(specs("ippo")[0]) == STEPS


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_can_be_planned(name: str, store: Store) -> None:
    plan = planning.plan(load_suite(name), store)
    assert len(plan.runs) == len({run.planned.spec.path for run in plan.runs})


IN_TRAINING = {"smaclite-baselines"}
"""Suites whose records are committed as they come; the pipeline counts a suite as evidence when all are there."""


@pytest.mark.parametrize("name", [name for name in suite_names() if not load_suite(name).always_train])
def test_the_committed_records_of_a_suite_are_all_there_and_sound_or_belong_to_another(name: str) -> None:
    plan = planning.plan(load_suite(name), Store(ROOT))
    if plan.count("reference") < len(plan.runs):
        others = [planning.plan(load_suite(other), Store(ROOT)) for other in suite_names() if other != name]
        complete = {
            run.planned.spec.fingerprint
            for other in others
            if other.count("reference") == len(other.runs)
            for run in other.runs
        }
        there = [run.planned.spec.fingerprint for run in plan.runs if run.found.presence == "reference"]
        assert set(there) <= complete or name in IN_TRAINING
    assert not plan.stale
    assert not [run.found.path for run in plan.runs if run.found.presence == "corrupt"]


def test_quick_needs_at_most_two_core_minutes(store: Store) -> None:
    assert planning.plan(load_suite("quick"), store).core_hours * 60 <= 2


def test_the_pipeline_takes_committed_records_and_trains_the_rest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.experiments.suite.load_suite", lambda name: SUITE)
    spec = specs("ippo")[0]
    put_record(store.reference(spec), spec)
    taken = Pipeline({"suites": "mine"}, store.root).records(SUITE.name)
    assert [Path(path).relative_to(store.root).parts[1] for path in taken] == ["reference", "runs", "runs", "runs"]
    retrained = Pipeline({"suites": "mine", "retrain": True}, store.root).records(SUITE.name)
    assert all(Path(path).relative_to(store.root).parts[1] == "runs" for path in retrained)


def test_files_from_before_the_clock_was_set_back_count_as_made_now(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.experiments.suite.load_suite", lambda name: SUITE)
    spec = specs("ippo")[0]
    put_record(store.own(spec), spec)
    put_record(store.reference(specs("ippo")[1]), specs("ippo")[1])
    marker = store.root / "checkpoints/.kernels/lbf"
    marker.parent.mkdir(parents=True)
    marker.touch()
    files = [store.own(spec), store.reference(specs("ippo")[1]), marker]
    for path in files:
        os.utime(path, (2**32, 2**32))
    Pipeline({"suites": "mine"}, store.root).claim_folder()
    assert all(path.stat().st_mtime <= time.time() + 1 for path in files)


def test_two_suites_that_name_the_same_run_share_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        content = (SUITE_FOLDER / "quick.yaml").read_text().replace("name: quick", f"name: {name}")
        (tmp_path / f"{name}.yaml").write_text(content)
    both = Pipeline({"suites": [str(tmp_path / "one.yaml"), str(tmp_path / "two.yaml")]}, tmp_path)
    assert len(both.records("one", "two")) == len(list(load_suite("quick").runs()))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"suitez": ["quick"]}, "suitez: there is no such key. Did you mean suites?"),
        ({"device": "gpu"}, "device: Input should be 'cpu' or 'cuda'"),
        *(
            ({"suites": suites}, "suites: it takes suites or paths of suite files, as in suites='[quick, mine.yaml]'; got ")
            for suites in ([], "", [""], 3, None, [3], {"quick": 1}, ["quick", None])
        ),
        ({"retrain": "perhaps"}, "retrain: "),
        ({"suites": ["a{b}.yaml"]}, "braces of 'a{b}.yaml'"),
    ],
)
def test_a_wrong_config_names_key_and_cure(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Pipeline(config)
    assert message in str(error.value)


def test_an_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean quick"):
        Pipeline({"suites": ["quik"]})


def test_suites_are_checked_when_they_are_loaded(tmp_path: Path) -> None:
    text = (SUITE_FOLDER / "lbf-baselines.yaml").read_text().replace("name: lbf-baselines", "name: mine")
    wrong = {
        "\nseeds:": ("\nsedes:", "sedes: there is no such key. Did you mean seeds"),
        "algorithm: mappo": ("algorithm: mapo", "There is no algorithm 'mapo'. Did you mean mappo"),
        "task: lbf/8x8-2p-2f-coop\n    budget": ("task: lbf/8x8-2p-2f-cop\n    budget", "lbf/8x8-2p-2f-coop"),
        "variant: ippo\n": ("variant: ipo\n", "no variant 'ipo'. Did you mean ippo"),
        "published: {ippo:": ("published: {ipo:", "no variant 'ipo'"),
        "    algorithm: ippo": ("    algorithm: ippo\n    settings: {gama: 1}", "gama: Extra inputs"),
        "title: IPPO\n": ("title: IPPO\n    title: PPO\n", 'found duplicate key "title"'),
        "name: mine": ("name: yours", "must be 'mine'"),
        "    value: 0.95": ("    than: mappo", "needs 'value'"),
        "\nevaluation:": ("\n? [0]\n: 1\nevaluation:", "a key must be text"),
        "seeds: [0": (f"seeds: {'[' * 5000}0", "cannot be read as YAML"),
        "[0, 1, 2": (f"[1{'0' * 5000}, 1, 2", "cannot be read as YAML"),
        "value: 0.95": ("value: .nan", "value: Input should be a finite number"),
        "\n  ippo:": ('\n  "ip\\npo":', "cannot be a name"),
    }
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert load_suite(str(path)).runs()
    for old, (new, message) in wrong.items():
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(SuiteError) as error:
            list(load_suite(str(path)).runs())
        assert message in str(error.value), old


def test_an_impossible_pair_is_refused_when_planning(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = {name: replace(entry, regimes=("individual",)) for name, entry in algorithms().items()}
    monkeypatch.setattr(run_spec, "algorithms", lambda: narrow)
    with pytest.raises(SuiteError, match=r"suite mine, task lbf/5x5-2p-1f-coop, variant ippo: .*it supports: individual"):
        planning.plan(SUITE, store)


@pytest.mark.parametrize("algorithm", ["ippo+stas", "mappo+tar2"])
def test_more_agents_than_can_be_enumerated_are_refused_when_planning(algorithm: str) -> None:
    run = {"algorithm": algorithm, "regime": "episodic", "seed": 0, "budget": 10_000}
    exact = {"settings": {"redistribution": {"shapley": "exact"}}}
    run_spec.resolve(task="smaclite/3s5z", **run, **exact)  # 8 agents
    run_spec.resolve(task="smaclite/10m_vs_11m", **run)
    with pytest.raises(run_spec.ImpossibleRun, match=r"smaclite/10m_vs_11m: the law 'exact' .* at most 8 agents, not 10"):
        run_spec.resolve(task="smaclite/10m_vs_11m", **run, **exact)


@pytest.mark.parametrize("algorithm", ["ippo+arel", "ippo+stas", "ippo+tar2", "ippo+tar2-raw"])
def test_a_batch_that_the_episode_buffer_cannot_hold_is_refused_when_planning(algorithm: str) -> None:
    with pytest.raises(run_spec.ImpossibleRun, match=r"batch_episodes \(33\) may not exceed buffer_episodes \(32\)"):
        run_spec.resolve(
            task="lbf/5x5-2p-1f-coop",
            algorithm=algorithm,
            regime="episodic",
            seed=0,
            budget=10_000,
            settings={"redistribution": {"batch_episodes": 33, "buffer_episodes": 32}},
        )


def test_reading_a_plan_changes_nothing(store: Store) -> None:
    put_record(store.own(specs("ippo")[0]), specs("ippo")[0])
    before = sorted(store.root.rglob("*"))
    planning.plan(SUITE, store)
    assert sorted(store.root.rglob("*")) == before
