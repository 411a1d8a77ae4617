"""Sentence pairs: Tatoeba's, one's own from a file, and the sample."""

import contextlib
import random
import re
import unicodedata
import zipfile

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.data import found, translations
from zoo.data.report import Report
from zoo.data.spanish_phrases import DESCRIPTION

PARTS = ("train", "validation", "test")


def read(data):
    """Part → its (source, target) pairs."""
    pairs = {
        part: [(source.decode(), target.decode()) for source, target in getattr(data, part).as_numpy_iterator()]
        for part in ("train", "validation")
    }
    tested = [(source.decode(), target.decode()) for source, targets in data.test.as_numpy_iterator() for target in targets]
    return {**pairs, "test": tested}


def assert_disjoint(data):
    """No split has a sentence of either language, its case, spacing and punctuation apart, that another has."""
    for side in (0, 1):
        seen = [
            {"".join(re.findall(r"\w", unicodedata.normalize("NFC", pair[side]).casefold())) for pair in pairs}
            for pairs in read(data).values()
        ]
        assert sum(map(len, seen)) == len(set.union(*seen))


def lines(count=400, first=0):
    return [f"Número {i}.\tNumber {i}." for i in range(first, first + count)]


@pytest.fixture
def write(tmp_path):
    """Lines → `sentence_pairs` of a file with them."""

    def load(content):
        path = tmp_path / "pairs.tsv"
        path.write_bytes(content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode())
        return zoo.data.sentence_pairs(zoo.RunConfig(), path=path)

    return load


@pytest.fixture
def prepared(tmp_path):
    """A directory of prepared data with a small spa-eng in newer Anki's form."""
    directory = tmp_path / "raw" / "spa-eng"
    directory.mkdir(parents=True)
    rows = [f"Number {i}.\tNúmero {i}.\tCC-BY 2.0 (France) Attribution: tatoeba.org #{i}" for i in range(2000)]
    directory.joinpath("spa.txt").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def nothing_at_hand(monkeypatch, tmp_path):
    """No prepared data set, no earlier download, no network."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(found, "_reachable", lambda address: False)


def test_own_pairs(write):
    data = write(lines())
    pairs = read(data)
    assert sorted(pair for part in PARTS for pair in pairs[part]) == sorted(tuple(line.split("\t")) for line in lines())
    assert data.source == "own"
    assert data.sizes == {part: len(pairs[part]) for part in PARTS}
    assert 290 < data.sizes["train"] < 350
    assert data.train.element_spec == data.validation.element_spec == (tf.TensorSpec([], tf.string),) * 2
    # what `zoo evaluate` calls again
    assert read(getattr(zoo.data, data.loader)(zoo.RunConfig(), **data.arguments)) == pairs


def test_splits_share_no_sentence(write):
    """Neither with other punctuation, case or spacing, nor through chains of sentences with several translations."""
    rng = random.Random(0)
    variants = (str, str.upper, lambda s: s.replace(".", "!"), lambda s: f"¡{s} ", lambda s: s.replace(" ", "  "))
    chain = [f"Fuente {rng.randrange(500)}.\tTarget {rng.randrange(500)}." for _ in range(900)]
    assert_disjoint(write(chain))
    assert_disjoint(write(["\t".join(rng.choice(variants)(side) for side in line.split("\t")) for line in chain]))


def test_go_stays_together(write):
    """All ways to write a target are in one split."""
    forms = [f"Fuente {i}\t{form}" for i, form in enumerate(["Go.", "Go!", "go", "GO!!", "¡Go!", " Go . ", "Go…", "“Go”"])]
    found = [part for part, pairs in read(write(forms + lines())).items() for _, target in pairs if "go" in target.lower()]
    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_order_of_the_lines_does_not_matter(write):
    rows = lines() + [f"Número {i}.\tNumber {i + 1}." for i in range(0, 400, 3)]
    expected = {part: sorted(pairs) for part, pairs in read(write(rows)).items()}
    random.Random(1).shuffle(rows)
    assert {part: sorted(pairs) for part, pairs in read(write(rows)).items()} == expected


def test_references_are_all_the_targets_of_a_tested_source(write):
    """The targets differ in punctuation only, so they are in one split."""
    rows = [line + mark for mark in ("", "!", "?") for line in lines()] + lines()
    data = write(rows)
    tested = {source.decode(): [target.decode() for target in targets] for source, targets in data.test.as_numpy_iterator()}
    assert len(tested) == data.sizes["test"]
    for source, targets in tested.items():
        number = source.removeprefix("Número ")
        assert targets == [f"Number {number}{mark}" for mark in ("", "!", "?")]
    sources, references = next(iter(data.test.batch(2)))
    assert sources.shape == [2]
    assert references.row_lengths().numpy().tolist() == [3, 3]


def test_texts_are_normalised(write):
    decomposed = unicodedata.normalize("NFD", "Café número")
    data = write([f"  {decomposed}\u00a0 {i} \t  Coffee  {i}\tsomething else" for i in range(100)])
    pairs = [pair for part in read(data).values() for pair in part]
    assert sorted(pairs) == sorted((f"Café número {i}", f"Coffee {i}") for i in range(100))


@pytest.mark.parametrize(
    "content",
    [
        ("\ufeff" + "\n".join(lines())).encode(),
        "\r\n".join(lines()).encode(),
        "\r".join(lines()).encode(),
        "\n".join(lines()).encode("utf-16"),
        "\n\n".join([*lines(), "\tno source", "no target\t ", " \t "]).encode(),
        "\n".join(f"{line}\tCC-BY\t#1" for line in lines()).encode(),
        "\n".join(lines() + lines()).encode(),
    ],
    ids=["byte order mark", "windows", "old Mac", "utf-16", "empty lines and sides", "more columns", "every line twice"],
)
def test_files_may_be_written_differently(write, content):
    assert read(write(content)) == read(write(lines()))


def test_what_is_left_out_is_counted_and_shown(write, capsys):
    odd = ["no tab", "", "\tno source", "no target\t ", "Número 1.\tNumber  1.", "none here either", " \t "]
    data = write([*odd, *lines(), "Número 400.\tNumber 400.\tTatoeba", *lines(2)])
    assert sum(len(pairs) for pairs in read(data).values()) == 401
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "pairs.tsv: read 408 lines, left out 7: 3 that repeat an earlier pair (lines 9, 409, 410),"
        " 2 without a tab (lines 1, 6), 1 without a source (line 3), 1 without a target (line 4).",
        "pairs.tsv: more than two columns, of which the first two are read: 1 (line 408).",
    ]
    sizes = ", ".join(f"{len(pairs)} in {part}" for part, pairs in read(data).items())
    assert said[2:] == [f"401 pairs: {sizes}."]


def test_pairs_that_would_be_in_two_splits_are_counted(write, capsys):
    data = write(f"Fuente {i % 40}.\tTarget {i}." for i in range(400))
    used = sum(len(pairs) for pairs in read(data).values())
    assert f"for their source is in another split already: {400 - used} pairs.\n" in capsys.readouterr().out


def test_few_targets_are_all_learnt(write):
    """Sums: by their targets, a fifth of the answers would be unknown."""
    data = write(f"{a}{sign}{b}\t{a + b if sign == '+' else a - b}" for a in range(30) for b in range(30) for sign in "+-")
    pairs = read(data)
    assert sum(map(len, pairs.values())) == 1800
    assert len({source for part in pairs.values() for source, _ in part}) == 1800
    assert len({target for _, target in pairs["train"]}) > 85  # of 88
    assert all(150 < len(pairs[part]) < 210 for part in ("validation", "test"))
    assert "hash of the source" in data.description


@given(st.binary(max_size=60) | st.text('"\t\n\r, a', max_size=60).map(str.encode))
@settings(max_examples=50, deadline=None, database=None)
def test_whatever_the_content_the_answer_is_pairs_or_one_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    path.write_bytes(content)
    with contextlib.suppress(zoo.ZooError):
        assert all(map(all, translations._read(path, Report("any.tsv", "lines"))))


def test_quotes_and_symbols_are_text(write):
    pairs = read(write([*lines(), '"Hola"\t"Hello', "🙂\t🙃", "a\rb\tc"]))
    assert {('"Hola"', '"Hello'), ("🙂", "🙃"), ("a b", "c")} <= {pair for part in pairs.values() for pair in part}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (["", "one, uno", "two, dos"], "has no line with a sentence, a tab and its translation; line 2 is 'one, uno'"),
        ("\n".join([*lines(2), "Café\tcoffee"]).encode("latin-1"), r"not in UTF-8: line 1 has the byte 0xfa"),
        (b"\xef\xbb\xbfuno\tone\ndos\ttw\xf3\n", r"not in UTF-8: line 2 has the byte 0xf3"),
        (lines(2), "too few examples"),
        ([], r"pairs\.tsv has no line with a sentence, a tab and its translation\.$"),
        ("\n".join(lines()).encode("utf-16-le"), "has a NUL byte in line 1"),
    ],
    ids=["no tab", "latin-1", "latin-1 after a byte order mark", "two pairs", "empty", "utf-16 without a mark"],
)
def test_what_is_wrong_with_a_file_is_said(write, content, message):
    with pytest.raises(zoo.ZooError, match=message):
        write(content)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.tsv", tmp_path):
        with pytest.raises(zoo.ZooError, match="cannot be read"):
            zoo.data.sentence_pairs(zoo.RunConfig(), path=path)


@pytest.mark.parametrize("below", ["", "raw", "raw/spa-eng"])
def test_spanish_english(prepared, below):
    """From English and Spanish columns to Spanish and English; further columns are the makers' attributions."""
    data = zoo.data.spanish_english(zoo.RunConfig(data_dir=prepared / below, data="real"))
    assert data.source == "real"
    assert "2,000" in data.description
    assert "CC BY 2.0" in data.terms
    pairs = read(data)
    assert {pair for part in pairs.values() for pair in part} == {(f"Número {i}.", f"Number {i}.") for i in range(2000)}
    assert 0.02 < data.sizes["test"] / 2000 < 0.04
    assert 0.01 < data.sizes["validation"] / 2000 < 0.03
    assert_disjoint(data)


def test_prepared_data_are_found_through_the_environment(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    assert zoo.data.spanish_english(zoo.RunConfig()).source == "real"


def test_the_sample_stands_in_and_says_so(nothing_at_hand, capsys):
    data = zoo.data.spanish_english(zoo.RunConfig())
    assert data.source == "sample"
    assert data.description == DESCRIPTION
    assert data.sizes == {"train": 6000, "validation": 300, "test": 300}
    assert_disjoint(data)
    said = capsys.readouterr().out
    assert "spa-eng is not prepared in" in said
    assert "cannot be reached" in said
    assert "SAMPLE, not on Tatoeba" in said


def test_the_sample_can_be_asked_for(monkeypatch, prepared):
    monkeypatch.setattr(found, "_reachable", None)  # nothing is looked for
    assert zoo.data.spanish_english(zoo.RunConfig(data="sample", data_dir=prepared)).source == "sample"


def test_real_is_never_the_sample(nothing_at_hand):
    with pytest.raises(zoo.ZooError, match=r"spa-eng is not prepared in .* cannot be reached.*Give --data-dir"):
        zoo.data.spanish_english(zoo.RunConfig(data="real"))


def test_a_given_directory_is_not_passed_over(nothing_at_hand, tmp_path):
    with pytest.raises(zoo.ZooError, match=r"not prepared in .*raw/spa-eng with spa.txt.*Give the right --data-dir"):
        zoo.data.spanish_english(zoo.RunConfig(data_dir=tmp_path))
    with pytest.raises(zoo.ZooError, match="nowhere is not a readable directory"):
        zoo.data.spanish_english(zoo.RunConfig(data_dir=tmp_path / "nowhere"))


def test_a_download_is_kept(nothing_at_hand, prepared, monkeypatch, tmp_path, capsys):
    """The second time nothing is asked of the network."""
    with zipfile.ZipFile(tmp_path / "spa-eng.zip", "w") as archive:
        archive.write(prepared / "raw" / "spa-eng" / "spa.txt", "spa-eng/spa.txt")
    (tmp_path / "keras").mkdir()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "keras"))
    monkeypatch.setattr(translations, "SPA_ENG", (tmp_path / "spa-eng.zip").as_uri())
    monkeypatch.setattr(found, "_reachable", lambda address: True)
    first = zoo.data.spanish_english(zoo.RunConfig())
    assert first.source == "real"
    assert "downloading it" in capsys.readouterr().out
    monkeypatch.setattr(found, "_reachable", lambda address: False)
    assert read(zoo.data.spanish_english(zoo.RunConfig())) == read(first)


def test_a_download_that_fails_leaves_the_sample(nothing_at_hand, monkeypatch, capsys):
    def get_file(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(found, "_reachable", lambda address: True)
    monkeypatch.setattr("keras.utils.get_file", get_file)
    assert zoo.data.spanish_english(zoo.RunConfig()).source == "sample"
    assert "the download failed: the disk is full" in capsys.readouterr().out
    with pytest.raises(zoo.ZooError, match="the download failed: the disk is full"):
        zoo.data.spanish_english(zoo.RunConfig(data="real"))
