"""Words with labels in columns: what is read of them, how they are written, and how they are cut."""

import pytest

import zoo
from zoo.data.conll import read_conll, written
from zoo.data.drawn_entities import drawn_entities
from zoo.data.entities import TWEETS, WIKIGOLD, without_signs
from zoo.data.report import Report


def read(directory, content, **columns):
    path = directory / "words.conll"
    path.write_text(content, encoding="utf-8")
    return read_conll(path, Report(path.name, "words"), **columns)


def spans(text):
    return [(kind, text.text[start:end]) for kind, start, end in text.spans]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-PER I-PER B-PER O", ["Bo Co", "Do"]),  # BIO
        ("O I-PER I-PER B-PER O", ["Bo Co", "Do"]),  # BIO as it was in 2003
        ("O I-PER I-PER I-PER O", ["Bo Co Do"]),  # IO
        ("I-LOC I-PER I-PER O I-PER", ["Al", "Bo Co", "El"]),
        ("O B-PER E-PER S-PER O", ["Bo Co", "Do"]),  # BIOES
        ("S-PER S-PER B-PER I-PER E-PER", ["Al", "Bo", "Co Do El"]),
        ("O U-PER B-PER L-PER O", ["Bo", "Co Do"]),  # BILOU
    ],
)
def test_labels_of_every_kind_become_spans(tmp_path, tags, expected):
    lines = [f"{word}\t{tag}" for word, tag in zip("Al Bo Co Do El".split(), tags.split(), strict=True)]
    ((sentence,),) = read(tmp_path, "\n".join(lines))
    assert [text for _, text in spans(written(sentence))] == expected


def test_sentences_and_documents(tmp_path):
    plain = "a O\nb B-X\n\n\nc O\n"
    assert read(tmp_path, plain) == [[[("a", "O"), ("b", "B-X")]], [[("c", "O")]]]
    marked = "-DOCSTART- O\n\na O\n\nb B-X\n\n-DOCSTART- -X- O O\n\nc O\n"
    assert read(tmp_path, marked) == [[[("a", "O")], [("b", "B-X")]], [[("c", "O")]]]
    columns = "# id 1\n1\ta b\tNN\tB-X\t_\n2\tc\tVB\tO\t_\n"
    assert read(tmp_path, columns, token_column=1, tag_column=3) == [[[("a b", "B-X"), ("c", "O")]]]
    assert read(tmp_path, columns, token_column=1, tag_column=-2) == [[[("a b", "B-X"), ("c", "O")]]]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("a O\nb\tNOUN\n", r"line 2: .NOUN. is no label; they are O, B-TYPE"),
        ("a O\nb O\n", r"no label of a span in column -1, only O"),
        ("a B-X\nb\n", r"line 2.*is no label"),
        ("", r"no label of a span"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, content, error):
    with pytest.raises(zoo.ZooError, match=error):
        read(tmp_path, content)


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(
        zoo.ZooError, match=r"line 2, has 1 columns, .b.: the word is to be in column 0 and its label in column 1"
    ):
        read(tmp_path, "a B-X\nb\n", tag_column=1)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("He said , “ no ! ”", "He said, “ no! ”"),
        ("It 's Ann 's ( old ) car .", "It's Ann's (old) car."),
        ("@ ann : 5 % of $ 3", "@ann: 5% of $3"),
        ("I do n't", "I don't"),
    ],
)
def test_words_are_written_as_people_write(words, text):
    assert written([(word, "O") for word in words.split()]).text == text


def test_an_at_sign_and_its_name_are_one_span():
    text = written([("@", "B-PER"), ("ann", "B-PER"), ("Bo", "B-PER"), (",", "O"), ("@", "O"), ("x", "B-ORG")])
    assert spans(text) == [("PER", "@ann"), ("PER", "Bo"), ("ORG", "x")]


def test_signs_before_a_name_in_a_tweet_are_no_part_of_it():
    text = written([("@", "B-PER"), ("ann", "B-PER"), ("#ulm", "B-LOC"), ("Bo", "B-PER"), ("@", "B-ORG"), ("x", "O")])
    assert spans(without_signs(text)) == [("PER", "ann"), ("LOC", "ulm"), ("PER", "Bo")]


def prepare(directory, count=60):
    for file in (*TWEETS, WIKIGOLD):
        path = directory / "raw" / "ner" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if file == WIKIGOLD:
            articles = (f"-DOCSTART- O\n\nUlm I-LOC\nhas O\n\n{number} I-MISC\nthings O\n\n" for number in range(count))
            path.write_text("".join(articles))
        else:
            path.write_text("".join(f"Ann\tB-PER\nin\tO\n{file}{number}\tB-LOC\n\n" for number in range(count)))
    return zoo.RunConfig(data="real", data_dir=directory)


def test_tweets_and_articles_are_cut_alike_and_articles_stay_together(tmp_path):
    texts = zoo.data.tweets_and_wikipedia(prepare(tmp_path))
    assert texts.labels == ("LOC", "MISC", "PER")
    assert sum(texts.sizes.values()) == 6 * 60 + 2 * 60
    about = [row[4] for row in texts.test.as_numpy_iterator()]
    assert 5 < about.count(b"tweets") < 80
    assert 2 <= about.count(b"Wikipedia") < 30
    for name in ("train", "validation", "test"):
        kept = [row[0].decode() for row in getattr(texts, name).as_numpy_iterator()]
        assert kept.count("Ulm has") == sum(text.endswith("things") for text in kept)


def test_a_persons_own_file_is_reported_and_cut(tmp_path, capsys):
    path = tmp_path / "genes.tsv"
    path.write_text("".join(f"the\tO\ngene\tO\nBRCA{number}\tB-GENE\n.\tO\n\n" for number in range(100)) + "\tO\n")
    texts = zoo.data.tagged_words(zoo.RunConfig(), path=path)
    assert "genes.tsv: read 401 words, left out 1: 1 without a word (line 501)." in (said := capsys.readouterr().out)
    assert "100 sentences; spans: GENE 100." in said
    assert (texts.source, texts.labels, sum(texts.sizes.values())) == ("own", ("GENE",), 100)
    assert len(texts.test.element_spec) == 4
    path.write_text("a\tB-X\n")
    with pytest.raises(zoo.ZooError, match="too few examples"):
        zoo.data.tagged_words(zoo.RunConfig(), path=path)


def test_the_sample_is_drawn_once_and_its_spans_are_names():
    drawn = drawn_entities(train=200, validation=20, test=20)
    texts = [text for part in drawn.values() for text in part]
    assert len({text.text for text in texts}) == 240
    assert {kind for text in texts for kind, *_ in text.spans} == {"PER", "LOC", "ORG"}
    assert drawn_entities(train=30, validation=20, test=20)["test"] == drawn["test"]
