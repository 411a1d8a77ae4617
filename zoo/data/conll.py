"""Words with labels in columns, as CoNLL has them: read, and written as people write."""

import re

from zoo.data.own_files import read_text
from zoo.data.spans import TaggedText
from zoo.errors import ZooError
from zoo.names import quoted

# What stands close to the word before it, and what to the word after it.
CLOSING = re.compile(r"[.,!?;:)\]}%…]+|['’](?:s|m|re|ve|ll|d|t|S)|n['’]t")
OPENING = re.compile(r"[(\[{@#$£€]")
TAG = re.compile(r"([BIESLU])-(.+)")
DOCUMENT = "-DOCSTART-"

Sentence = list[tuple[str, str]]  # words, each with its label


def read_conll(path, report, *, tag_column: int = -1, token_column: int = 0) -> list[list[Sentence]]:
    """Reads a file with a word on each line and blank lines between sentences.

    Args:
        path: of the file, in UTF-8; columns are separated by tabs or else by spaces. Lines that begin with "# " and a space
            after a blank line are comments.
        report: a `Report` of what is left out.
        tag_column: number of the column with the label, from 0, or from the end if negative: BIO, BIOES, or IO.
        token_column: that of the word.

    Returns:
        Documents of sentences; a sentence is a document where the file does not mark any.

    Raises:
        ZooError: if the file cannot be read, has no such columns, or no label of a span.
    """
    documents, sentence, marked = [[]], [], False
    for number, line in enumerate([*read_text(path).splitlines(), ""], 1):
        fields = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or fields[token_column : token_column + 1] == [DOCUMENT]:
            if sentence:
                documents[-1].append(sentence)
                sentence = []
            if line.strip():
                marked = True
                documents.append([])
            continue
        if line.startswith("# ") and not sentence:
            continue
        try:
            word, tag = fields[token_column].strip(), fields[tag_column].strip()
        except IndexError:
            raise ZooError(
                f"{path}, line {number}, has {len(fields)} columns, {quoted(line)}: the word is to be in column {token_column}"
                f" and its label in column {tag_column} (numbered from 0, or from the end by negative numbers)."
            ) from None
        if tag not in ("O", "_") and not TAG.fullmatch(tag):
            raise ZooError(f"{path}, line {number}: {quoted(tag)} is no label; they are O, B-TYPE, I-TYPE (also E-, S-).")
        if word:
            sentence.append((word, tag))
        else:
            report.leave_out("without a word", number)
    documents = [document for document in documents if document]
    if not any(TAG.fullmatch(tag) for document in documents for sentence in document for _, tag in sentence):
        raise ZooError(f"{path} has no label of a span in column {tag_column}, only O.")
    return documents if marked else [[sentence] for document in documents for sentence in document]


def written(sentence: Sentence, about: str = "") -> TaggedText:
    """Words with labels as a text with spans: with spaces where people write them, since that is what will be read later."""
    parts, before = [], ""
    for (word, tag), starts in zip(sentence, _starts(sentence), strict=True):
        match = TAG.fullmatch(tag)
        space = " " if parts and not (CLOSING.fullmatch(word) or OPENING.fullmatch(before)) else ""
        if match and not starts:
            parts[-1] = (parts[-1][0] + space + word, parts[-1][1])
        else:
            parts += [(space, None), (word, match and match[2])]
        before = word
    return TaggedText.join(parts, about)


def _starts(sentence: Sentence) -> list[bool]:
    """Whether a span starts at each word: also one whose label, as IO has it, does not say so."""
    found, previous, ended = [], None, True
    for place, (_, tag) in enumerate(sentence):
        match = TAG.fullmatch(tag)
        kind = match and match[2]
        # "@" was split off the name that it stands before, and both were given a B
        of_name = place and sentence[place - 1][0] == "@" and kind == previous
        found.append(bool(match) and not of_name and (match[1] in "BSU" or kind != previous or ended))
        previous, ended = kind, bool(match) and match[1] in "ESLU"
    return found
