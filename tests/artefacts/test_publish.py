"""`zoo publish`: any number at once, killed, out of space, beside what is no artefact. It needs no TensorFlow."""

import errno
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from processes import go, started

import zoo
from zoo import files
from zoo.artefacts import card as cards
from zoo.artefacts import find

ROOT = Path(zoo.__file__).parents[1]
PUBLISH = """
import sys
from pathlib import Path
from zoo import files
from zoo.artefacts import publish as publishing
run, root, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
if what == "killed":
    publishing.cards.verify = lambda directory, facts: directory == run or __import__("os")._exit(9)
for _ in range(5):
    publishing.publish(run, root)
"""


@pytest.fixture
def artefact(tmp_path):
    """What publishing asks of an artefact: a card that lists its files."""
    directory = tmp_path / "artefact"
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "data").write_bytes(bytes(range(256)) * 4_000)
    (directory / "variables" / "variables.index").write_bytes(b"index")
    card = cards.read(find.artefact(ROOT / "saved_models" / "imdb_sentiment"))
    card |= {"name": "films", "files": cards.hashes(directory)}
    (directory / find.CARD).write_text(json.dumps(card))
    (directory / "README.md").write_text("films")
    return directory


@pytest.fixture
def root(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def publisher(artefact, root):
    """Starts a process that publishes the artefact when it is told to: (what becomes of it) → the process."""
    with started() as start:
        yield lambda what="whole": start(PUBLISH, artefact, root, what)


def check(root, versions):
    """Whole artefacts of these versions, a table of the newest, and nothing else."""
    assert sorted(path.name for path in root.iterdir()) == ["README.md", "films"]
    assert sorted(int(path.name) for path in (root / "films").iterdir()) == versions
    for version in versions:
        directory = root / "films" / str(version)
        cards.verify(directory, cards.read(directory))
        assert directory.stat().st_mode & 0o777 == 0o777 & ~_umask()
    assert f"films/{versions[-1]}/README.md" in (root / "README.md").read_text()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_many_at_once_take_a_version_each(publisher, root):
    processes = [publisher() for _ in range(4)]
    go(*processes)
    published = []
    for process in processes:
        said, error = process.communicate()
        assert process.returncode == 0, error
        published += said.split("Published: ")[1:]
    assert len({line.strip() for line in published}) == 20
    check(root, list(range(1, 21)))


def test_the_next_one_sweeps_after_one_that_was_killed(publisher, artefact, root):
    process = publisher("killed")
    process.communicate("go\n")
    assert process.returncode == 9
    (left,) = (root / "films").iterdir()
    assert (left / "artefact" / "saved_model.pb").exists()
    assert zoo.publish(artefact, root) == root / "films" / "1"
    check(root, [1])


def say(artefact, name=None, mapping="many_to_one", source="own", loader="labelled_texts"):
    """Changes what a card says, by a run with `--name` or without."""
    card = cards.read(artefact)
    card |= {"name": name or "films", "mapping": mapping}
    card["data"] |= {"source": source, "loader": loader}
    card["run"]["config"]["name"] = name
    (artefact / find.CARD).write_text(json.dumps(card))


def test_a_run_on_own_data_is_published_under_a_name_that_was_given(artefact, root):
    say(artefact)
    with pytest.raises(zoo.ZooError, match=r"trained on data of your own, is published under its own name .* with --name"):
        zoo.publish(artefact, root)
    assert not root.exists()
    say(artefact, "tickets")
    assert zoo.publish(artefact, root) == root / "tickets" / "1"
    assert zoo.publish(artefact, root) == root / "tickets" / "2"  # the data of its owner may have changed
    assert "[`tickets`](tickets/2/README.md)" in (root / "README.md").read_text()


@pytest.mark.parametrize("other", [{"mapping": "many_to_many"}, {"loader": "sentence_pairs"}])
def test_what_has_a_name_already_is_followed_by_its_like_alone(artefact, root, other):
    say(artefact, "tickets")
    zoo.publish(artefact, root)
    say(artefact, "tickets", **other)
    with pytest.raises(zoo.ZooError, match=r"tickets/1 is many-to-one of labelled_texts, and this is .* another --name"):
        zoo.publish(artefact, root)
    assert [path.name for path in (root / "tickets").iterdir()] == ["1"]
    (root / "tickets" / "1" / find.CARD).write_text("damaged")
    assert zoo.publish(artefact, root) == root / "tickets" / "2"


NO_ARTEFACTS = {
    "an empty directory": lambda path: path.mkdir(),
    "a directory without a card": lambda path: (path / "variables").mkdir(parents=True),
    "a file": lambda path: path.touch(),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}


@pytest.mark.parametrize("what", NO_ARTEFACTS)
@pytest.mark.parametrize("name", ["4", "0004"])
def test_what_is_no_artefact_does_not_block_the_next_version(artefact, root, what, name):
    zoo.publish(artefact, root)
    NO_ARTEFACTS[what](root / "films" / name)
    for other in ("²", "9" * 20, "v7", "-5", "4.5", "٩"):
        (root / "films" / other).touch()
    assert zoo.publish(artefact, root) == root / "films" / "5"
    assert "films/5/README.md" in (root / "README.md").read_text()


def test_a_version_that_appears_at_the_last_moment_is_left_alone(artefact, root, monkeypatch):
    def place(directory, target):
        if target.name in ("1", "2"):
            shutil.copytree(artefact, target) if target.name == "1" else target.touch()
        original(directory, target)

    original = files.place
    monkeypatch.setattr(files, "place", place)
    assert zoo.publish(artefact, root) == root / "films" / "3"


@pytest.mark.parametrize("damaged", ["data", "saved_model.pb", find.CARD])
def test_a_copy_that_is_not_what_was_read_is_not_published(artefact, root, monkeypatch, damaged):
    def copyfile(source, target):
        original(source, target)
        if target.name == damaged:
            target.write_bytes(target.read_bytes()[:-1] + b" ")

    original = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(zoo.ZooError, match=r"Nothing was published: the copy of .*artefact is not what was read"):
        zoo.publish(artefact, root)
    assert not list((root / "films").iterdir())


@pytest.mark.parametrize("what", ["saved_model.pb", "data", "card.json", "artefact", "the table"])
def test_a_full_disk_leaves_what_was_there(artefact, root, monkeypatch, what):
    zoo.publish(artefact, root)

    def sync(path):
        if what in (path.name, "the table" if path.parent.name.startswith(".README.md-") else None):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(files, "_sync", sync)
        with pytest.raises(zoo.ZooError, match=r"cannot be written: No space left on device\..*make space"):
            zoo.publish(artefact, root)
    if what != "the table":  # else the version is there, and was said to be
        check(root, [1])
    zoo.publish(artefact, root)
    check(root, [1, 2, 3] if what == "the table" else [1, 2])


def test_where_nothing_can_be_written(artefact, tmp_path):
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(zoo.ZooError, match=r"films.* cannot be written: (File exists|Not a directory)"):
            zoo.publish(artefact, root)


def test_one_bad_card_does_not_take_the_table_down(artefact, root, capsys):
    zoo.publish(artefact, root)
    shutil.copytree(root / "films", root / "bad")
    (root / "bad" / "1" / find.CARD).write_text("{")
    zoo.publish(artefact, root)
    assert capsys.readouterr().err.count("left out: ") == 1
    assert "films/2/README.md" in (root / "README.md").read_text()


def test_odd_places(artefact, tmp_path, capsys):
    root = tmp_path / ("a [b] * \\ \n" + (os.fsdecode(b"\xff") if sys.platform == "linux" else ""))
    zoo.publish(artefact, root)
    check(root, [1])
    assert capsys.readouterr().out.isascii()
