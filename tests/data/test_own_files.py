"""A person's own files: what they are is found out, or said."""

import codecs
import gzip
import os

import pytest

import zoo
from zoo.data.own_files import own_path, read_text

TEXT = "Número 1\r\n日本 🙂\rlast"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
def test_the_encoding_is_seen(tmp_path, encoding, mark):
    (tmp_path / "text").write_bytes(mark + TEXT.encode(encoding))
    assert read_text(tmp_path / "text") == TEXT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("one\r\ntwo\rthe café\n".encode("latin-1"), "not in UTF-8: line 3 has the byte 0xe9 after 'the caf'. In Latin-1"),
        (b"\xef\xbb\xbfone\n\xf3", "not in UTF-8: line 2 has the byte 0xf3.$"),
        ("one\ntwo".encode("utf-16")[:-1], "not in UTF-16-LE: line 2 has the byte 0x6f after 'tw'.$"),
        ("one\ntwo".encode("utf-16-le"), "has a NUL byte in line 1: it is no text, or in UTF-16 without"),
        (b"one\rtwo\nthr\0ee", "has a NUL byte in line 3"),
        (gzip.compress(b"one"), "is no text but compressed by gzip"),
        (b"PK\x03\x04...", "is no text but a zip archive or an Excel workbook"),
    ],
    ids=["latin-1", "after a mark", "cut utf-16", "utf-16 without a mark", "a zero", "gzip", "excel"],
)
def test_what_is_no_text_is_said(tmp_path, content, message):
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(zoo.ZooError, match=message):
        read_text(tmp_path / "text")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(zoo.ZooError, match="none cannot be read: No such file or directory"):
        read_text(tmp_path / "none")
    with pytest.raises(zoo.ZooError, match="cannot be read: Is a directory"):
        read_text(tmp_path)
    with pytest.raises(zoo.ZooError, match="cannot be read: embedded null"):
        read_text(tmp_path / "a\0b")


def test_paths(tmp_path, monkeypatch):
    assert own_path(f"{tmp_path}/a [b]*? ü") == tmp_path / "a [b]*? ü"
    with pytest.raises(zoo.ZooError, match=r"b\\udcff' is not in UTF-8"):
        own_path(tmp_path / os.fsdecode(b"b\xff"))
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")
    monkeypatch.chdir(os.fsencode(tmp_path) + b"/\xff")
    with pytest.raises(zoo.ZooError, match="is not in UTF-8"):
        own_path("texts.csv")
