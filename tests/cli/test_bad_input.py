"""Bad input to every command: one line that says what is wrong, exit code 2, and no traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from benchmark.cli import app
from benchmark.experiments.record import MAXIMUM_BYTES, SettingsOrigin, make_record, write_record
from tests.experiments.test_records import EXECUTION, OUTCOME, SPEC

LONG = "x" * 300
DIGITS = "9" * 30
MINE = (
    "{name: mine, title: M, description: d, tasks: [{task: matrix/climbing, budget: 200}], seeds: [0],"
    " variants: {ippo: {algorithm: ippo}}}"
)
TRAIN = ["--task", "matrix/climbing", "--algorithm", "ippo", "--steps", "100"]
OF_SUITE = ["--suite", "mine.yaml", "--task", "matrix/climbing"]

SUITES = {
    "no.yaml": "there is no suite file no.yaml",
    "folder.yaml": "there is no suite file folder.yaml",
    "pipe.yaml": "there is no suite file pipe.yaml",
    f"{LONG}.yaml": "File name too long",
    "x\0.yaml": "there is no suite file",
    "../quick": "There is no suite '../quick'. Did you mean quick?",
    "": "There is no suite ''",
    "x" * 5000: "There is no suite",
    "binary.yaml": "cannot be read as YAML: 'utf-8' codec can't decode",
    "empty.yaml": "file: Input should be keys with values",
    "list.yaml": "file: Input should be keys with values",
    "brackets.yaml": "cannot be read as YAML: line 1, column",
    "large.yaml": "cannot be read as YAML: larger than",
    "digits.yaml": "cannot be read as YAML: Exceeds the limit",
    "types.yaml": "tasks: Input should be a list",
    "twice.yaml": 'found duplicate key "ippo"',
    "object.yaml": "could not determine a constructor for the tag",
    "infinite.yaml": "tasks.0.budget: Input should be a valid integer, got inf",
    "negative.yaml": "seed: Input should be greater than or equal to 0",
    "outside.yaml": "There is no task '../../etc'",
}
"""What is given for a suite, and what is said of it."""
UNREADABLE = {name: said for name, said in SUITES.items() if name not in ("negative.yaml", "outside.yaml")}
"""Those of them that are no suites; the others have runs that cannot be."""

RUN_FOLDERS = {
    "nowhere": "holds no record.json",
    "file": "holds no record.json",
    "": "holds no record.json",
    LONG: "File name too long",
    "x\0": "null",
    "run-folder": "holds no record.json",
    "run-pipe": "holds no record.json",
    "run-empty": "Invalid JSON",
    "run-binary": "Invalid JSON",
    "run-list": "Input should be an object",
    "run-deep": "recursion limit exceeded",
    "run-large": f"larger than {MAXIMUM_BYTES} bytes",
    "run-infinite": "got inf",
}
"""What is given for the folder of a run."""

NO_INTEGERS = {"x": "valid integer", "1.5": "valid integer", "": "valid integer", "-1": "greater than or equal to"}
TASKS = {
    "": "There is no task ''",
    "lbf/5x5-2p-1f-cop": "Did you mean lbf/5x5-2p-1f-coop",
    "smaclite/../x": "There is no task",
    "smaclite//etc/passwd": "There is no task",
    "x\0": "There is no task",
    "x" * 5000: "There is no task",
}
OUTPUTS = {"file": "is a file, where a folder is needed", "file/x": "is a file, where a folder is needed", LONG: "too long"}
"""What is given for a folder to write to."""

Row = tuple[list[str], str]


def each(before: list[str], values: dict[str, str], after: list[str] | None = None) -> list[Row]:
    return [([*before, value, *(after or [])], said) for value, said in values.items()]


UNKNOWN_SETTINGS = {
    "": "--set takes name=value",
    "learning_rate": "--set takes name=value",
    "=1": "--set takes name=value",
    "learning_rat=1": "learning_rat: Extra inputs",
    "learning_rate=[1": "is no YAML value",
    "learning_rate=\0": "is no YAML value",
    "learning_rate=.inf": "every number must be finite",
    "learning_rate=2020-01-01": "valid number",
    "learning_rate={a: 1}": "valid number",
    f"episodes_per_update={DIGITS}": "a whole one at most 2**53",
    f"episodes_per_update={'9' * 5000}": "is no YAML value",
    "epochs=true": "valid integer, got True",
    f"{'x' * 5000}=1": "Extra inputs",
}
NO_MODELS = {"nowhere": "creditbench aggregate", "file": "creditbench aggregate"}

BAD: dict[str, list[Row]] = {
    "list": [(["algoritms"], "No such command")],
    "list tasks": [(["x"], "unexpected extra argument")],
    "list algorithms": [(["x"], "unexpected extra argument")],
    "list suites": [(["x"], "unexpected extra argument")],
    "plan": [*each([], SUITES), ([], "Missing argument"), (["quick", "x"], "unexpected extra argument")],
    "train": [
        *each(["--task", "matrix/climbing", "--variant", "ippo", "--suite"], UNREADABLE),
        *each(["--algorithm", "ippo", "--steps", "100", "--out", "o", "--task"], TASKS),
        *each([*TRAIN, "--out", "o", "--set"], UNKNOWN_SETTINGS),
        *each([*TRAIN[:-1]], NO_INTEGERS, ["--out", "o"]),
        *each([*TRAIN, "--out"], OUTPUTS),
        *each([*TRAIN, "--out", "o", "--seed"], NO_INTEGERS | {DIGITS: "seed: Input should be less than"}),
        *each([*TRAIN, "--out", "o", "--tensorboard"], OUTPUTS),
        ([*TRAIN, "--out", "o", "--set", "epochs=1", "--set", "epochs=2"], "is given twice"),
        ([*TRAIN[:-1], DIGITS, "--out", "o"], "budget: Input should be less than or equal to"),
        ([*TRAIN[:3], "ipo", *TRAIN[4:], "--out", "o"], "Did you mean ippo"),
        ([*TRAIN, "--out", "o", "--regime", "teem"], "Did you mean team"),
        ([*TRAIN, "--out", "o", "--backend", "real"], "backend must be native or reference"),
        ([*TRAIN, "--out", "o", "--backend", "reference"], "has no reference backend"),
        ([*TRAIN, "--out", "o", "--device", "gpu"], "device must be cpu or cuda"),
        ([*TRAIN, "--out", "o", "--preset", "paper"], "it offers none"),
        ([*TRAIN, "--out", "o", "--variant", "x"], "--variant needs --suite"),
        ([*TRAIN, "--out", "o", "--expect", "x"], "this run is ippo-"),
        ([*TRAIN], "missing: --out"),
        (OF_SUITE, "needs --variant"),
        ([*OF_SUITE, "--variant", "mappo"], "suite mine has no variant 'mappo'"),
        ([*OF_SUITE[:-1], "matrix/x", "--variant", "ippo"], "suite mine has no task 'matrix/x'"),
        ([*OF_SUITE, "--variant", "ippo", "--steps", "5"], "cannot be given for a run of a suite"),
        *each(
            [*TRAIN, "--out"],
            {key: said for key, said in RUN_FOLDERS.items() if key in ("run-empty", "run-binary", "run-large")},
        ),
    ],
    "evaluate": [
        *each([], RUN_FOLDERS, ["--episodes", "2"]),
        *each(["run", "--episodes"], NO_INTEGERS | {"0": "greater than or equal to 1", DIGITS: "less than or equal to"}),
        *each(["run", "--seed"], NO_INTEGERS),
        (["run", "--policy", "best"], "policy must be greedy or sample"),
        (["run", "--policy-file", "greedy"], "policy-file must be best or final"),
        (["run", "--device", "gpu"], "device must be cpu or cuda"),
    ],
    "watch": [
        *each([], RUN_FOLDERS, ["--out", "o.gif"]),
        *each(
            ["run", "--out"],
            {"o.mp4": "must end in .gif", "": "must end in .gif", "folder.gif": "is a folder, where a file is"},
        ),
        *each(["run", "--out"], {"file/o.gif": "is a file, where a folder is needed", f"{LONG}.gif": "too long"}),
        *each(["run", "--out", "o.gif", "--seed"], NO_INTEGERS),
        (["run"], "Missing option"),
    ],
    "aggregate": [
        *each(["--suite"], SUITES),
        *each(["--suite", "quick", "--out"], OUTPUTS),
        (["--suite", "mine.yaml", "--suite", "sub/mine.yaml"], "are both called mine"),
        ([], "Missing option"),
    ],
    "report": [
        *each(["--aggregate"], NO_MODELS | {LONG: "too long"}),
        *each(["--aggregate"], dict.fromkeys(["made-empty", "made-binary", "made-deep"], "Invalid JSON")),
        (["--aggregate", "made-list"], "Input should be an object"),
        *each(["--aggregate", "made-empty", "--out"], OUTPUTS),
        (["--aggregate", "made-folder"], "there is no made-folder"),
    ],
    "prepare": [
        *each(["--report", "quick"], SUITES),
        *each(["quick", "--report"], UNREADABLE),
        *each(["quick", "--report", "quick", "--processes"], NO_INTEGERS | {"0": "greater than", DIGITS: "less than or equal"}),
        *each(["quick", "--report", "quick", "--cache"], OUTPUTS),
    ],
    "random": [
        *each(["--task"], TASKS),
        *each(["--task", "matrix/climbing", "--episodes"], NO_INTEGERS | {"1": "greater than or", DIGITS: "less than or"}),
        *each(["--task", "matrix/climbing", "--seed"], NO_INTEGERS),
        (["--task", "matrix/climbing", "--backend", "real"], "backend must be native or reference"),
        (["--task", "matrix/climbing", "--backend", "reference"], "has no reference backend"),
    ],
    "speed": [
        *each(["--task"], TASKS),
        *each(["--task", "matrix/climbing", "--seconds"], {"x": "valid number", "0": "greater", "nan": "", "inf": "less than"}),
        *each(["--task", "matrix/climbing", "--threads"], NO_INTEGERS | {"0": "greater than", DIGITS: "less than or equal"}),
        *each(["--task", "matrix/climbing", "--algorithm", "ippo", "--set"], UNKNOWN_SETTINGS),
        (["--task", "matrix/climbing", "--algorithm", "ipo"], "Did you mean ippo"),
        (["--task", "matrix/climbing", "--algorithm", "ippo+dg-knn"], "have no positions"),
        (["--task", "matrix/climbing", "--algorithm", "ippo", "--preset", "paper"], "it offers none"),
        (["--task", "matrix/climbing", "--set", "epochs=1"], "name it with --algorithm"),
        (["--task", "matrix/climbing", "--device", "gpu"], "device must be cpu or cuda"),
    ],
    "study": [
        *each([], {"": "There is no study ''", "policy-preservatoin": "Did you mean policy", "../x": "There is no study"}),
        *each(["policy-preservation", "--quick", "--out"], OUTPUTS),
        *each(
            ["policy-preservation", "--quick", "--out"], {"study-empty": "JSON", "study-binary": "JSON", "study-list": "object"}
        ),
        (["policy-preservation", "--quick", "--out", "study-folder"], "not a file"),
        ([], "Missing argument"),
    ],
    "compile": [([], "Missing argument")],
}
"""By command: its arguments, and a part of what is said of them."""


def commands(group: Any, *names: str) -> Iterator[str]:
    """The names of all commands, those that are hidden or part of another one included."""
    for name, command in group.commands.items():
        yield " ".join((*names, name))
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of everything that is not what it should be, beside a suite and the record of a run that are."""
    made = tmp_path_factory.mktemp("bad")
    binary = bytes(range(256)) * 8
    suites: dict[str, str | bytes] = {
        "mine.yaml": MINE,
        "sub/mine.yaml": MINE,
        "binary.yaml": binary,
        "empty.yaml": "",
        "list.yaml": "[1, 2]",
        "brackets.yaml": "a: [1",
        "large.yaml": "# " + "x" * 1_100_000,
        "digits.yaml": f"a: {'9' * 5000}",
        "types.yaml": "{name: 3, title: [], tasks: 5, variants: [], seeds: x, evaluation: 3}",
        "twice.yaml": MINE.replace("{ippo: {algorithm: ippo}}", "{ippo: {algorithm: ippo}, ippo: {algorithm: mappo}}"),
        "object.yaml": MINE.replace("title: M", "title: !!python/object/apply:os.system [id]"),
        "infinite.yaml": MINE.replace("budget: 200", "budget: .inf"),
        "negative.yaml": MINE.replace("seeds: [0]", "seeds: [-1]").replace("mine", "negative"),
        "outside.yaml": MINE.replace("matrix/climbing", "../../etc").replace("mine", "outside"),
        "file": "",
    }
    contents: dict[str, str | bytes] = {"empty": "", "binary": binary, "list": "[]", "deep": "[" * 100_000}
    record = {f"run-{name}/record.json": content for name, content in contents.items()}
    record["run-large/record.json"] = "x" * (MAXIMUM_BYTES + 2)
    aggregate = {f"made-{name}/aggregate.json": content for name, content in contents.items()}
    study = {f"study-{name}/policy-preservation.json": content for name, content in contents.items()}
    for name, content in (suites | record | aggregate | study).items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in ("folder.yaml", "folder.gif", "run-folder/record.json", "made-folder/aggregate.json"):
        (made / name).mkdir(parents=True)
    (made / "study-folder" / "policy-preservation.json").mkdir(parents=True)
    (made / "run-pipe").mkdir()
    for name in ("pipe.yaml", "run-pipe/record.json"):
        os.mkfifo(made / name)
    write_record(made / "run" / "record.json", make_record(SPEC, SettingsOrigin(source="defaults"), OUTCOME, EXECUTION))
    text = (made / "run" / "record.json").read_text()
    assert '"budget":1000,' in text
    (made / "run-infinite").mkdir()
    (made / "run-infinite" / "record.json").write_text(text.replace('"budget":1000,', '"budget":Infinity,'))
    return made


def test_every_command_has_rows() -> None:
    assert set(BAD) == set(commands(typer.main.get_command(app.app)))
    assert all(BAD.values())


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [(command, arguments, said) for command, rows in BAD.items() for arguments, said in rows],
    ids=lambda value: repr(" ".join(value) if isinstance(value, list) else value)[:70],
)
def test_bad_input_is_one_line_and_exit_code_2(
    command: str,
    arguments: list[str],
    said: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        app.main([*command.split(), *arguments])
    output = capsys.readouterr()
    assert ended.value.code == 2
    assert said in output.err
    assert output.out == ""
    assert all(len(line) < 1100 for line in output.err.splitlines())
    own = [line for line in output.err.splitlines() if line.startswith("creditbench: ")]
    usage = [line for line in output.err.splitlines() if line.startswith("Error: ")]
    assert len(own) + len(usage) == 1
    if own:  # each problem of a file is a line of its own, indented
        assert all(line.startswith(("  ", "creditbench: ")) for line in output.err.splitlines())
    assert sorted(folder.rglob("*")) == before
