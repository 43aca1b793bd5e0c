"""The `creditbench` command: what it prints, what it refuses and how."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from benchmark.cli.arguments import layered_settings, parse_settings
from benchmark.cli.errors import BadInput
from benchmark.experiments.record import read_record
from benchmark.experiments.suite import load_suite
from benchmark.workflow.supervisor import reason_of
from tests.fixtures.command_line import call

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
README_LINES = sorted(set(re.findall(r"creditbench ([a-z][^`\n…]*)", README)))
COMMANDS = ["list", "plan", "train", "evaluate", "aggregate", "report", "watch", "speed", "random"]
GUIDED = ["train", "--task", "lbf/5x5-2p-1f-coop", "--algorithm", "ippo+dg", "--steps", "600"]
RUN = ["train", "--task", "lbf/5x5-2p-1f-coop", "--algorithm", "ippo", "--steps", "600", "--set", "episodes_per_update=4"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a second, trained by the command line."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert call(*RUN, "--set", "epochs=1", "--seed", "3", "--out", str(folder)) == 0
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, "--help") == 0
    text = capsys.readouterr().out
    assert f"creditbench {command}" in text.partition("Options:")[0].partition("\n")[2] or command == "list"


def test_the_help_names_every_command_a_user_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    text = capsys.readouterr().out
    assert all(f"\n  {command} " in text for command in COMMANDS)
    assert "compile" not in text


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("tasks", ["lbf/8x8-2p-2f-coop", "mpe/simple_spread-3"]),
        ("algorithms", ["ippo", "mappo"]),
        ("suites", ["quick", "lbf-baselines", "mpe-baselines"]),
    ],
)
def test_list_shows_what_there_is(what: str, names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", what) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in names)


def test_plan_prints_json_that_adds_up(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("plan", "quick", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["planned"] == plan["missing"] == plan["to_train"] == len(plan["runs"]) == len(list(load_suite("quick").runs()))
    assert plan["core_hours"] * 3600 == pytest.approx(sum(run["core_seconds"] for run in plan["runs"]))
    assert plan["gigabytes"] > 0


def test_plan_prints_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("plan", "quick") == 0
    count = len(list(load_suite("quick").runs()))
    assert f"{count} of {count} runs to train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "quik"], "There is no suite 'quik'. Did you mean quick?"),
        (["plan", "nowhere.yaml"], "there is no suite file nowhere.yaml"),
        (["train", "--suite", "quick", "--task", "lbf/5x5-2p-1f-cop", "--variant", "ippo"], "Did you mean lbf/5x5-2p-1f-coop"),
        (["train", "--suite", "quick", "--task", "lbf/5x5-2p-1f-coop", "--variant", "mapo"], "Did you mean mappo"),
        (["train", "--suite", "quick", "--task", "lbf/5x5-2p-1f-coop"], "needs --variant"),
        (
            ["train", "--suite", "quick", "--task", "lbf/5x5-2p-1f-coop", "--variant", "ippo", "--steps", "5"],
            "--steps cannot be given for a run of a suite",
        ),
        (["train", "--task", "lbf/5x5-2p-1f-coop", "--algorithm", "ippo"], "missing: --steps, --out"),
        (["train", "--task", "lbf/5x5-2p-1f-coop", "--variant", "ippo"], "--variant needs --suite"),
        ([*RUN, "--out", "x", "--set", "learning_rat=1"], "Known settings:"),
        ([*RUN, "--out", "x", "--set", "advantage.c=1"], "advantage: Extra inputs"),
        ([*GUIDED, "--out", "x", "--set", "dependence.c=1"], "dependence.threshold"),
        ([*RUN, "--out", "x", "--set", "learning_rate"], "--set takes name=value"),
        ([*RUN, "--out", "x", "--set", "learning_rate=-1"], "learning_rate: Input should be greater than 0"),
        ([*RUN, "--out", "x", "--set", "learning_rate=yes"], "learning_rate: Input should be a valid number, got 'yes'"),
        ([*RUN, "--out", "x", "--set", "learning_rate=true"], "learning_rate: Input should be a valid number, got True"),
        ([*RUN, "--out", "x", "--set", "epochs=1:30"], "epochs: Input should be a valid integer, got '1:30'"),
        ([*RUN, "--out", "x", "--set", "recurrent=1"], "recurrent: Input should be a valid boolean, got 1"),
        ([*RUN, "--out", "x", "--set", "advantage={a: 1, a: 2}"], "line 1, column 8: found duplicate key"),
        (
            [*RUN, "--out", "x", "--regime", "teem"],
            "regime must be team or individual or episodic, not 'teem'. Did you mean team?",
        ),
        ([*RUN, "--out", "x", "--backend", "real"], "backend must be native or reference"),
        ([*RUN, "--out", "x", "--device", "gpu"], "device must be cpu or cuda"),
        (["train", "--task", "lbf/8x8", "--algorithm", "ippo", "--steps", "5", "--out", "x"], "There is no task 'lbf/8x8'"),
        (["train", "--task", "lbf/8x8-2p-3f", "--algorithm", "ipo", "--steps", "5", "--out", "x"], "Did you mean ippo"),
        (["evaluate", "."], ". holds no record.json"),
        (["watch", ".", "--out", "x.gif"], ". holds no record.json"),
        (["random", "--task", "lbf/8x8-2p-2f-cop"], "Did you mean lbf/8x8-2p-2f-coop"),
        (["speed", "--task", "lbf/8x8-2p-2f-cop"], "Did you mean lbf/8x8-2p-2f-coop"),
        (["speed", "--task", "lbf/8x8-2p-2f-coop", "--algorithm", "mapo"], "Did you mean mappo"),
        (["speed", "--task", "lbf/8x8-2p-2f-coop", "--preset", "paper"], "name it with --algorithm"),
        (["speed", "--task", "lbf/8x8-2p-2f-coop", "--algorithm", "ippo+stas", "--preset", "papr"], "Did you mean paper"),
        ([*RUN, "--out", "x", "--preset", "screening"], "ippo has no preset 'screening'; it offers none"),
        (["aggregate", "--suite", "quik"], "Did you mean quick"),
        (["report", "--aggregate", "nowhere"], "creditbench aggregate --suite"),
        (["trian"], "No such command 'trian'"),
        (["train", "--taks", "x"], "No such option"),
        (["random", "--task", "lbf/8x8-2p-2f-coop", "--episodes", "1"], "episodes"),
        (["random", "--task", "matrix/climbing", "--backend", "reference"], "has no reference backend"),
        ([*RUN, "--out", "x", "--seed", "2147483648"], "seed: Input should be less than 2147483648"),
        ([*RUN, "--out", "x", "--set", "learning_rate=.inf"], "every number must be finite"),
        ([*RUN, "--out", "x", "--set", "value_clip=.inf"], "every number must be finite"),
        ([*RUN[:6], str(10**30), "--out", "x"], "budget: Input should be less than or equal to"),
        (["train", "--suite", "quick", "--task", "lbf/8x8-2p-2f-coop", "--variant", "ippo"], "suite quick has no task"),
        (["train", "--suite", "quick", "--task", "lbf/5x5-2p-1f-coop", "--variant", "x"], "It has "),
        (["aggregate", "--suite", "quick", "--suite", f"{ROOT}/benchmark/suites/quick.yaml"], "are both called quick"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_bad_input_is_one_clear_error_and_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    text = capsys.readouterr().err
    assert message in text
    assert "Traceback" not in text
    assert not list(tmp_path.iterdir())


def test_train_writes_record_and_policies(run: Path) -> None:
    record = read_record(run / "record.json")
    assert (record.outcome.status, record.spec.seed, record.spec.budget) == ("ok", 3, 600)
    assert record.spec.settings == {"episodes_per_update": 4, "epochs": 1}
    assert record.origin.source == "given on the command line"
    assert (run / "policy.safetensors").is_file()
    assert (run / "final.safetensors").is_file()


def test_training_a_finished_run_again_changes_nothing(run: Path, tmp_path: Path) -> None:
    before = (run / "record.json").read_bytes()
    assert call(*RUN, "--set", "epochs=1", "--seed", "3", "--out", str(run)) == 0
    assert (run / "record.json").read_bytes() == before


def test_another_run_is_not_written_over(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "record.json").read_bytes()
    assert call(*RUN, "--seed", "4", "--out", str(run)) == 2
    assert "is the record of another run" in capsys.readouterr().err
    assert (run / "record.json").read_bytes() == before


def test_the_checkpoint_of_another_run_is_not_continued(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run / "checkpoint", tmp_path / "checkpoint")
    assert call(*RUN, "--seed", "4", "--out", str(tmp_path)) == 1
    text = capsys.readouterr().err
    assert "belongs to the run" in text
    assert "Traceback" not in text


def test_a_corrupt_record_is_not_trained_over(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "record.json").write_text("{")
    assert call(*RUN, "--out", str(tmp_path)) == 2
    assert "record.json: record: Invalid JSON" in capsys.readouterr().err
    assert (tmp_path / "record.json").read_text() == "{"


@pytest.mark.parametrize("command", [["evaluate"], ["speed", "--task", "matrix/climbing", "--algorithm", "ippo"]], ids=" ".join)
@pytest.mark.parametrize("device", ["cuda", "gpu"])
def test_a_device_that_is_not_there_is_refused(
    command: list[str], device: str, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    folder = [str(run)] if command == ["evaluate"] else []
    assert call(*command, *folder, "--device", device) == 2
    assert "device" in capsys.readouterr().err


def test_a_full_disk_is_one_clear_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("benchmark.analysis.aggregate.aggregate", full)
    assert call("aggregate", "--suite", "quick") == 1
    assert capsys.readouterr().err == "creditbench: [Errno 28] No space left on device\n"


def test_a_folder_that_cannot_be_made_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("aggregate", "--suite", "quick", "--out", "/proc/no-folder/out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "creditbench: [Errno 2] No such file or directory: '/proc/no-folder'"


def test_too_little_memory_is_one_line_that_the_supervisor_understands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*arguments: object, **options: object) -> None:
        raise MemoryError("Unable to allocate 7 PiB")

    monkeypatch.setattr("benchmark.analysis.aggregate.aggregate", greedy)
    assert call("aggregate", "--suite", "quick") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "creditbench: out of memory: MemoryError: Unable to allocate 7 PiB"
    assert reason_of(1, [line]).startswith("out of memory")


def test_a_report_that_cannot_be_made_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("aggregate", "--suite", "quick") == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("")
    assert call("report", "--out", "mine") == 2
    (tmp_path / "results/aggregate/aggregate.json").write_text("{")
    assert call("report") == 2
    text = capsys.readouterr().err
    assert "holds things that are not a report" in text
    assert "make it again with `creditbench aggregate`" in text
    assert "Traceback" not in text


def test_a_run_of_a_suite_lies_where_the_pipeline_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(
        "{name: mine, title: M, description: d, tasks: [{task: lbf/5x5-2p-1f-coop, budget: 200}], seeds: [0],"
        " variants: {small: {algorithm: ippo, settings: {episodes_per_update: 2, epochs: 1}}},"
        " evaluation: {points: 2, episodes: 2, absolute_episodes: 2}, settings_source: chosen for a test}"
    )
    names = ["--suite", "mine.yaml", "--task", "lbf/5x5-2p-1f-coop", "--variant", "small"]
    assert call("train", *names, "--expect", "ippo-000000000000") == 2
    assert call("train", *names) == 0
    (path,) = (tmp_path / "results/runs").glob("**/record.json")
    record = read_record(path)
    assert path.parent.relative_to(tmp_path / "results/runs") == record.spec.path
    assert record.origin.source == "chosen for a test"


def test_evaluate_prints_a_score_that_its_seed_decides(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = []
    for seed in ("7", "7", "8"):
        assert call("evaluate", str(run), "--episodes", "50", "--seed", seed, "--policy", "sample") == 0
        scores.append(json.loads(capsys.readouterr().out))
    assert scores[0] == scores[1]
    assert scores[0]["episodes"] == 50
    assert scores[0]["mean_length"] != scores[2]["mean_length"]


def test_evaluate_refuses_a_corrupt_policy(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("record.json", "policy.safetensors"):
        (tmp_path / name).write_bytes((run / name).read_bytes()[: None if name == "record.json" else 100])
    assert call("evaluate", str(tmp_path)) == 2
    assert "policy.safetensors" in capsys.readouterr().err


def test_watch_writes_an_animation(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("watch", str(run), "--out", str(tmp_path / "x.gif"), "--seed", "2") == 0
    assert "return" in capsys.readouterr().out
    assert (tmp_path / "x.gif").read_bytes().startswith(b"GIF8")
    assert call("watch", str(run), "--out", str(tmp_path / "x.mp4")) == 2


def test_random_prints_the_score_of_the_random_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("random", "--task", "lbf/5x5-2p-1f-coop", "--episodes", "500", "--seed", "1") == 0
    line = json.loads(capsys.readouterr().out)
    assert line["episodes"] == 500
    assert 0 < line["mean_return"] < 1


def test_speed_prints_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("speed", "--task", "lbf/5x5-2p-1f-coop", "--algorithm", "ippo", "--seconds", "0.1") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["backend"], line["algorithm"]) for line in lines] == [
        ("native", None),
        ("reference", None),
        ("native", "ippo"),
    ]
    assert all(line["env_steps_per_s"] > 0 for line in lines)


@pytest.mark.parametrize("line", README_LINES, ids=lambda line: line[:50])
def test_the_commands_in_readme_exist(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line)
    path = words[:2] if words[0] == "list" else words[:1]
    assert call(*path, "--help") == 0
    text = capsys.readouterr().out
    assert all(word in text for word in words if word.startswith("--"))


def test_readme_and_ci_give_the_same_two_commands() -> None:
    assert "```bash\npip install uv && uv run snakemake --cores all\n```" in README
    assert "```bash\npip install uv && uv run pytest\n```" in README
    commands = [
        line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith(("#", "set", "cd"))
    ]
    assert commands == ["pip install uv && uv run pytest"]


def test_settings_are_yaml_scalars_and_dots_reach_into_them() -> None:
    given = ["a=1", "b=0.5", "c=true", "d=null", "e=text", "f.g=[1, 2]", "f.h=x=y"]
    assert parse_settings(given) == {"a": 1, "b": 0.5, "c": True, "d": None, "e": "text", "f": {"g": [1, 2], "h": "x=y"}}


def test_settings_given_by_hand_lie_above_those_of_a_preset() -> None:
    settings = layered_settings("ippo+stas", "screening", ["redistribution.width=32", "epochs=2"])
    assert settings["redistribution"]["width"] == 32
    assert settings["redistribution"]["batch_episodes"] == 64
    assert settings["epochs"] == 2


@pytest.mark.parametrize("given", [["a=1", "a=2"], ["a=1", "a.b=2"], ["=1"], ["a=[1"], ["a=" + "[" * 5000], ["a={[b]: c}"]])
def test_invalid_assignments_are_refused(given: list[str]) -> None:
    with pytest.raises(BadInput, match="--set"):
        parse_settings(given)
