"""What a run keeps on disk: which one is continued, by whom, and what a damaged file leads to."""

import errno
import gc
import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from processes import go, kill, started

import zoo
from zoo import files
from zoo.training import state


def test_which_run_is_continued(tmp_path, capsys):
    held = []

    def open_run(identity, fresh=False):
        path, resumed, lock = state.open_run(tmp_path, "name", identity, fresh=fresh)
        held.append(lock)
        return path, resumed

    first, resumed = open_run({"seed": 0})
    assert not resumed
    assert open_run({"seed": 0}) == (first, True)
    other, resumed = open_run({"seed": 1})
    assert not resumed
    fresh, resumed = open_run({"seed": 0}, fresh=True)
    assert not resumed
    assert len({first, other, fresh}) == 3
    assert open_run({"seed": 0}) == (fresh, True)  # the newest
    (fresh / "artefact").mkdir()
    assert open_run({"seed": 0}) == (first, True)
    (first / "artefact").mkdir()
    assert not open_run({"seed": 0})[1]
    (other / "config.json").write_text("{")  # damaged
    assert not open_run({"seed": 1})[1]
    assert f"Left out: {other / 'config.json'} cannot be read" in capsys.readouterr().out
    assert (other / "config.json").read_text() == "{"
    held.clear()
    assert not list(tmp_path.rglob("lock"))


# Takes a run as `zoo.fit` does, says which, and keeps it until its input ends; `zoo.training` itself would import TensorFlow.
TAKE = """
import importlib.util, json, pathlib, sys
spec = importlib.util.spec_from_file_location("state", sys.argv[1])
state = importlib.util.module_from_spec(spec)
spec.loader.exec_module(state)
print("ready", flush=True)
sys.stdin.readline()
try:
    path, resumed, lock = state.open_run(pathlib.Path(sys.argv[2]), "name", {"seed": 0}, fresh=len(sys.argv) > 3)
    print(json.dumps([str(path), resumed]), flush=True)
except state.ZooError as error:
    print(json.dumps(str(error)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def take(tmp_path):
    """Starts a process that takes a run when it is told to; its answer is one line."""
    with started() as start:
        yield lambda *flags: start(TAKE, state.__file__, tmp_path, *flags)


def answers_of(*processes):
    """What processes say that are let go at once."""
    go(*processes)
    return [json.loads(process.stdout.readline()) for process in processes]


def test_a_run_has_one_process_at_a_time(tmp_path, take):
    """Those that start at once too; --fresh takes one of its own; a killed one leaves its run to the next."""
    processes = [take() for _ in range(4)]
    answers = dict(zip(processes, answers_of(*processes), strict=True))
    (first,) = [process for process in processes if isinstance(answers[process], list)]
    path, resumed = answers.pop(first)
    assert not resumed
    for refused in answers.values():
        assert re.match(rf"already running \(pid {first.pid}, since [-\d]+ [:\d]+\): {path}\..*--fresh", refused)
    ((other, resumed),) = answers_of(take("--fresh"))
    assert other != path
    assert not resumed
    with pytest.raises(zoo.ZooError, match=r"already running \(pid"):
        state.hold(Path(path))
    shutil.rmtree(other)
    kill(first)
    assert answers_of(take()) == [[path, True]]


def test_a_process_may_take_its_run_again(tmp_path):
    """As in a notebook: after an error, after an interrupt, while the first `Run` is still there; not from a second thread."""
    path, _, lock = state.open_run(tmp_path, "name", {}, fresh=False)
    again, resumed, same = state.open_run(tmp_path, "name", {}, fresh=False)
    assert (again, resumed) == (path, True)
    assert same is lock
    lock.busy = True
    with pytest.raises(zoo.ZooError, match="already running in this process"):
        state.open_run(tmp_path, "name", {}, fresh=False)
    lock.busy = False
    lock.release()
    *_, lock = state.open_run(tmp_path, "name", {}, fresh=False)
    assert lock.held
    del lock
    assert not same.held
    gc.collect()
    assert [one.name for one in path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("place", ["a file", "below a file", "a full disk"])
def test_where_no_run_can_be_kept(tmp_path, place, monkeypatch):
    (tmp_path / "file").touch()
    root = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "runs"}.get(place, tmp_path / "runs")
    if place == "a full disk":

        def sync(path):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(files, "_sync", sync)
    with pytest.raises(zoo.ZooError, match=r"(Runs cannot be kept in .*Give another --runs|config\.json cannot be written)"):
        state.open_run(root, "name", {}, fresh=False)
    assert not list(tmp_path.glob("runs/name/*"))


def test_a_state_of_another_model_is_refused(tmp_path):
    state.save_arrays(tmp_path / "newest.npz", [np.zeros(3)], {})
    with pytest.raises(zoo.ZooError, match="another version of this model; start anew with --fresh"):
        state.load_arrays(tmp_path / "newest.npz", [tf.Variable(np.zeros(3)), tf.Variable(0.0)])
    with pytest.raises(zoo.ZooError, match="another version of this model; start anew with --fresh"):
        state.load_arrays(tmp_path / "newest.npz", [tf.Variable(np.zeros(3, np.int32))])


def test_a_damaged_state_is_refused_wherever_the_damage_is(tmp_path):
    """Cut at any byte, and changed at any byte: one line that names the file, or what was written."""
    path, values = tmp_path / "newest.npz", [np.arange(3.0), np.arange(4)]
    state.save_arrays(path, values, {"epoch": 1})
    content = path.read_bytes()
    changed = [content[:index] + bytes([content[index] ^ 0x55]) + content[index + 1 :] for index in range(len(content))]
    variables, refused = [tf.Variable(np.zeros_like(value)) for value in values], 0
    for damaged in [content[:length] for length in range(len(content))] + changed:
        path.write_bytes(damaged)
        try:
            progress = state.load_arrays(path, variables)
        except zoo.ZooError as error:
            assert re.match(rf"{path} is damaged or missing \(.*\).*--fresh|{path} was written by another", str(error))
            assert not any(variable.numpy().any() for variable in variables)
            refused += 1
        else:
            assert progress == {"epoch": 1}
            for variable, value in zip(variables, values, strict=True):
                np.testing.assert_array_equal(variable, value)
                variable.assign(np.zeros_like(value))
        assert path.read_bytes() == damaged
    assert refused > 1.5 * len(content)


WRONG = {
    "no file": lambda path: path.unlink(),
    "no content": lambda path: path.write_bytes(b""),
    "a directory": lambda path: path.unlink() or path.mkdir(),
    "objects": lambda path: np.savez(path, v0=np.array([{}], object), progress="{}"),
    "a pickle": lambda path: path.write_bytes(pickle.dumps({"v0": 1})),
    "one array": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "no progress": lambda path: np.savez(path, v0=np.zeros(3)),
    "no JSON": lambda path: np.savez(path, v0=np.zeros(3), progress="{"),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_state_that_is_none_is_refused(tmp_path, what):
    state.save_arrays(tmp_path / "best.npz", [np.zeros(3)], {})
    WRONG[what](tmp_path / "best.npz")
    with pytest.raises(zoo.ZooError, match=r"best\.npz is damaged or missing \(.+\)"):
        state.load_arrays(tmp_path / "best.npz", [tf.Variable(np.zeros(3))])
