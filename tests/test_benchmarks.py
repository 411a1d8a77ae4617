"""What the benchmarks share, that they start, and the study that trains."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "benchmarks"


def imported(path, monkeypatch):
    """A script of benchmarks/ as a module."""
    monkeypatch.syspath_prepend(path.parent)
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def common(monkeypatch):
    return imported(ROOT / "common.py", monkeypatch)


def test_calls_take_turns(common):
    asked = []
    times = common.take_turns({name: lambda name=name: asked.append(name) for name in "ab"}, 4, warm_up=2)
    assert asked == ["a", "b"] * 6
    assert {name: len(values) for name, values in times.items()} == {"a": 4, "b": 4}
    common.take_turns({"c": lambda: asked.append("c")}, 40, warm_up=0, seconds=0)
    assert asked.count("c") == 5  # the time is over, but so many are needed for a median
    assert common.medians({"a": lambda: None}, 3).keys() == {"a"}


def test_an_interrupted_table_goes_on(common, tmp_path, monkeypatch):
    path, rows = tmp_path / "new" / "table.csv", [{"case": 1, "ms": 2.5, "of no column": 0}]
    assert common.read_by(path, ("case",)) == {}
    common.write(path, rows, ("case", "ms"))
    known = common.read_by(path, ("case",))
    assert known == {("1",): {"case": "1", "ms": "2.5"}}
    known["2",] = {"case": "2"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(common.files, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        common.write(path, known.values())
    assert len(common.read(path)) == 1  # the old one is whole
    common.write(path, known.values())
    assert common.read(path)[1] == {"case": "2", "ms": ""}


def test_the_study_takes_finished_runs_and_draws(tmp_path, monkeypatch, capsys):
    study = imported(ROOT / "models" / "vanishing_gradients.py", monkeypatch)
    small = {"lengths": (6,), "cells": ("rnn",), "examples": 60, "epochs": 1, "runs": tmp_path / "runs", "out": tmp_path}
    study.main(**small)
    first = study.read(tmp_path / "adding_problem.csv")
    assert "mean squared error on the 6 test examples" in capsys.readouterr().out
    study.main(**small)
    assert "mean squared error on the" not in capsys.readouterr().out  # it was not trained again
    assert study.read(tmp_path / "adding_problem.csv") == first
    assert [(row["length"], row["cell"]) for row in first] == [("6", "rnn")]
    assert first[0].keys() == study.read("adding_problem")[0].keys()
    for picture in ("learning_curves", "gradient_flow"):
        assert (tmp_path / f"adding_problem_{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_what_they_share_does_without_tensorflow():
    """PyTorch is timed in a process without it: each brings a cuDNN of its own."""
    code = "import sys, common, torch_peer\nassert 'tensorflow' not in sys.modules"
    paths = [str(path) for path in (ROOT, ROOT / "kernels", ROOT.parent)]
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, check=True)
