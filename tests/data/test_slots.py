"""The loader of SNIPS: files of the form of the real ones, its cut, and the sample."""

import json

import pytest

import zoo
from zoo.data.drawn_commands import drawn_commands
from zoo.data.slots import INTENTS


def prepare(directory, parts=(("play ", None), (" Nina  ", "artist"), ("now", None)), count=130):
    """Files of commands: each intent has some to train on, which a number tells apart, and two to test on."""
    home = directory / "raw" / "snips"
    home.mkdir(parents=True)
    for intent in INTENTS:
        for name, numbers in ((f"train_{intent}_full", range(count)), (f"validate_{intent}", range(-2, 0))):
            data = [{"text": text} if kind is None else {"text": text, "entity": kind} for text, kind in parts]
            commands = [{"data": [*data, {"text": f" {intent} é {max(number // 2, number - 60)}"}]} for number in numbers]
            encoding = "latin-1" if intent == "PlayMusic" else "utf-8"  # as in the original
            (home / f"{name}.json").write_text(json.dumps({intent: commands}, ensure_ascii=False), encoding=encoding)
    return zoo.RunConfig(data="real", data_dir=directory)


def rows(split):
    return list(split.as_numpy_iterator())


def test_spans_are_places_in_the_text_and_the_files_are_cut_by_intent(tmp_path):
    commands = zoo.data.snips_commands(prepare(tmp_path))
    assert commands.sizes["test"] == 14
    assert sum(commands.sizes.values()) == 7 * 132
    assert commands.labels == ("artist",)
    texts = {}
    for name in ("train", "validation"):
        for text, label, start, end, intent in rows(getattr(commands, name)):
            text = text.decode()
            assert [(kind, text[a:b]) for kind, a, b in zip(label, start, end, strict=True)] == [(b"artist", "Nina")]
            assert text == f"play  Nina  now {intent.decode()} é {text.split()[-1]}"
            texts.setdefault(name, []).append((intent, text))
    for intent in INTENTS:
        assert 100 <= sum(kind == intent.encode() for kind, _ in texts["validation"]) <= 101
    assert not set(texts["train"]) & set(texts["validation"]), "equal commands are together"


def test_a_file_that_holds_other_things_is_named(tmp_path):
    config = prepare(tmp_path, count=101)
    (tmp_path / "raw" / "snips" / "validate_GetWeather.json").write_text('{"GetWeather": [{"text": "no data"}]}')
    with pytest.raises(zoo.ZooError, match=r"validate_GetWeather.json does not hold commands of GetWeather.*'data'"):
        zoo.data.snips_commands(config)


def test_the_sample_is_drawn_once_and_its_spans_are_names():
    drawn = drawn_commands(train=300, validation=20, test=20)
    assert [len(part) for part in drawn.values()] == [300, 20, 20]
    texts = [text for part in drawn.values() for text in part]
    assert len({text.text for text in texts}) == 340
    for text in texts:
        for _, start, end in text.spans:
            assert text.text[start:end].strip() == text.text[start:end] != ""
    assert drawn_commands(train=300, validation=20, test=20) == drawn
    assert drawn_commands(train=30, validation=20, test=20)["test"] == drawn["test"]
