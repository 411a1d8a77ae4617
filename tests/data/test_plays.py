"""Long texts: a person's own files, cut in order, and the sample."""

import pytest

import zoo
from zoo.data.drawn_plays import drawn_plays
from zoo.data.plays import LEAST


def texts(split):
    return [text.decode() for text, _ in split.as_numpy_iterator()]


def write(path, letter, count):
    path.write_bytes("".join(f"{letter}{number}\r\n" for number in range(count)).encode())
    return path


def test_own_files_are_cut_in_their_order(tmp_path, capsys):
    first, second = write(tmp_path / "first.txt", "a", LEAST), write(tmp_path / "second.txt", "b", 2 * LEAST)
    data = zoo.data.own_text(zoo.RunConfig(), path=first, others=str(second))
    assert data.arguments == {"path": str(first), "others": str(second)}
    assert data.sizes == {"train": 2, "validation": 2, "test": 2}
    said = capsys.readouterr().out
    for row, file in enumerate((first, second)):
        parts = [texts(getattr(data, name))[row] for name in ("train", "validation", "test")]
        whole = file.read_bytes().decode().replace("\r\n", "\n")
        assert "".join(parts) == whole
        assert f"{file.name}: {len(whole):,} characters, 12 different ones" in said
        assert [round(10 * len(part) / len(whole)) for part in parts] == [8, 1, 1]
    assert "first.txt and 1 more files" in data.description


def test_too_short_a_file_is_refused(tmp_path):
    (tmp_path / "short.txt").write_text("A word. " * 20)
    with pytest.raises(zoo.ZooError, match=r"short.txt has 159 characters; a text to learn from has 2,000 at least"):
        zoo.data.own_text(zoo.RunConfig(), path=tmp_path / "short.txt")


def test_the_sample_is_the_same_always_and_another_in_each_split(capsys):
    data = zoo.data.tiny_shakespeare(zoo.RunConfig(data="sample"))
    assert "SAMPLE" in capsys.readouterr().out
    (train,), (validation,), (test,) = (texts(getattr(data, name)) for name in ("train", "validation", "test"))
    assert train == drawn_plays()["train"]
    assert validation[:200] != test[:200] != train[:200]
    assert set(test) <= set(train)
