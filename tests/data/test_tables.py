"""Tables of a person's own: read whole or refused, whatever is in them."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.data.tables import read_table


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Content → the rows of a file with it."""
    directory = tmp_path_factory.mktemp("tables")

    def load(content, name="texts.csv", text_column="text", label_column="label"):
        path = directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, text_column=text_column, label_column=label_column)

    return load


def rows(count=8, separator=","):
    return "".join(f"text {i}{separator}{'bad' if i % 2 else 'good'}\n" for i in range(count))


QUICK = settings(max_examples=100, deadline=None, database=None)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
LINES = st.text(st.characters(exclude_characters="\0\t\r\n", exclude_categories=["Cs"]))


@given(
    st.lists(st.tuples(TEXTS, st.sampled_from(["good", "bad", "so, so", ""]))),
    st.sampled_from(",;|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
@QUICK
def test_what_a_csv_writer_writes_is_read_whole(read, pairs, separator, quoting, encoding):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quoting=quoting)
    writer.writerows([["id", "label", "text"], *([i, label, text] for i, (text, label) in enumerate(pairs))])
    assert [(row.text, row.label) for row in read(file.getvalue().encode(encoding))] == pairs


@given(st.lists(st.tuples(LINES, st.sampled_from(["good", '"bad', ""]))))
@QUICK
def test_between_tabs_every_character_is_itself(read, pairs):
    lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in pairs)]
    for name in ("texts.tsv", "texts.csv"):
        found = read("\n".join(lines), name)
        assert [(row.line, row.text, row.label) for row in found] == [(i, *pair) for i, pair in enumerate(pairs, 2)]


@given(st.binary(max_size=60) | st.text('",;\t\n\ra ', max_size=60).map(str.encode), st.sampled_from(["", "text,label\n"]))
@QUICK
def test_whatever_the_content_the_answer_is_rows_or_one_error(read, content, header):
    try:
        found = read(header.encode() + content)
    except zoo.ZooError:
        return
    assert all(isinstance(row.text, str) and isinstance(row.label, str) for row in found)


def test_lines_are_those_of_the_file(read):
    content = '\n\ntext,label\r\n"two\nlines",good\r\n\r\none,bad\r"a ""quote"", and\r\n\r\nthree",good\nlast,bad'
    assert [(row.line, row.label) for row in read(content)] == [(4, "good"), (7, "bad"), (8, "good"), (11, "bad")]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("text\tlabel\n" + rows(separator="\t"), "texts.tsv"),
        ("text\tlabel\n" + rows(separator="\t"), "texts.csv"),
        ("text,label\n" + rows(), "texts.tsv"),
        ("text;label\n" + rows(separator=";"), "texts.csv"),
        ("text|label\n" + rows(separator="|"), "texts.TXT"),
        ('"text","label"\n' + rows(), "texts.csv"),
        (" text ,label \n" + rows(), "texts.csv"),
        (("text,label\n" + rows()).replace("\n", "\r"), "texts.csv"),
        (("text,label\n" + rows()).encode("utf-16"), "texts.csv"),
    ],
    ids=["tsv", "tabs in .csv", "commas in .tsv", "semicolons", "bars", "quoted names", "blanks", "old Mac", "utf-16"],
)
def test_how_a_file_is_written_is_seen_in_its_header(read, content, name):
    assert [(row.text, row.label) for row in read(content, name)] == [(f"text {i}", ("good", "bad")[i % 2]) for i in range(8)]


def test_a_quote_at_the_start_takes_no_lines_from_a_tab_separated_file(read):
    lines = rows(60, "\t").splitlines()
    lines[10], lines[40] = '"quoted\tgood', 'film 9"\tbad'
    found = read("\n".join(["text\tlabel", *lines]), "texts.tsv")
    assert len(found) == 60
    assert found[10].text == '"quoted'


def test_long_fields_are_read_and_the_limit_of_the_process_stays(read):
    before = csv.field_size_limit()
    assert len(read(f"text,label\n{'x' * 200_000},good\n")[0].text) == 200_000
    with pytest.raises(zoo.ZooError):
        read('text,label\n"open')
    assert csv.field_size_limit() == before


# Content → what is said of it.
WRONG = {
    "unquoted comma": (
        f"text,label\n{rows(5)}a film, well made,pos\n",
        "Line 7 of .* has 3 fields, the header has 2. A text with",
    ),
    "several": (
        f"text,label\na,b,c\n{rows(5)}just\na,b,c\n",
        r"Line 2 of .* has 3 fields.*; 2 more lines \(8, 9\) did not fit",
    ),
    "too few fields": ("text,label\njust\n", "Line 2 of .* has 1 field, the header has 2"),
    "tabs in a text": ("text\tlabel\na\tb\tc\n", "Line 2 of .* has 3 fields, the header has 2. Where tabs separate"),
    "unclosed": (
        f'text,label\n{rows(5)}"open, good\n{rows(30)}',
        "Line 7 of .* opens a quote, '\"open, good.* is never closed",
    ),
    "unclosed after another": (
        f'text,label\n{rows(5)}"open, good\n{rows()}"A fine, film",good\n',
        "Line 7 of .* opens a quote, .* that line 16 closes in the middle of a field, before 'A fine",
    ),
    "unclosed in a later field": ('a,label,text\n"x\ny","p","open\nz\n', "Line 3 of .* opens a quote, '\"open.* never closed"),
    "closed by chance": (
        f'text,label\n{rows(5)}"open,good\n{rows(30)}film 9",bad\n{rows()}',
        "Line 7 of .* opens a quote, '\"open,good', that takes in whole rows up to line 38",
    ),
    "closed by chance, label first": (
        'label,text\ngood,a\nbad,b\ngood,"open\nbad,\n,c\nbad,9"\ngood,d\n',
        "Line 4 of .* that takes in whole rows up to line 7",
    ),
    "words in quotes": ('text,label\n"Great" film,good\n', "Line 2 of .* opens a quote.* before ' film,good'.* is doubled"),
    "backslashes": ('text,label\n"a \\"b\\" c",good\n', "Line 2 of .* opens a quote"),
    "no text column": ("body,label\n" + rows(), "has no column 'text'; it has 'body', 'label' .*with a comma"),
    "no label column": ("text;class\n" + rows(), "has no column 'label'; it has 'text', 'class' .*with a semicolon"),
    "no header": ("A fine film,good\n" + rows(), "has no column 'text'; it has 'A fine film', 'good'"),
    "colons": ("text:label\n" + rows(separator=":"), "it has 'text:label' .one column, since no comma, semicolon, tab or bar"),
    "a name twice": ("text,label,text\na,b,c\n", "has 2 columns 'text'"),
    "open header": ('"text,label\n' + rows(), "it has '\"text,label'"),
    "empty": ("", "texts.csv is empty; its first line should name the columns, 'text' and 'label'"),
    "blank": (" \n\n", "texts.csv is empty"),
    "mark only": (b"\xef\xbb\xbf", "texts.csv is empty"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_table_is_said(read, what):
    content, message = WRONG[what]
    with pytest.raises(zoo.ZooError, match=message):
        read(content)


@pytest.mark.parametrize(
    "content",
    [
        'label,text\ngood,"First\nSecond, more\n"\nbad,x\ngood,y\n',
        'text,label\n"I came, saw,\nand left, bad",good\nx,bad\ny,good\n',
        'text,label\n"well made,\nvery good",good\nx,bad\n',
    ],
)
def test_texts_of_several_lines_are_not_taken_for_rows(read, content):
    assert "\n" in read(content)[0].text


def test_texts_and_labels_are_in_two_columns(read):
    with pytest.raises(zoo.ZooError, match="cannot both be in the column 'text'"):
        read("text,label\n" + rows(), label_column="text")
