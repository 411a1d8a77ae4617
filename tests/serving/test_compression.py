"""Compressed bodies."""

import gzip

import pytest

from zoo.serving.compression import Gunzip, unpacker
from zoo.serving.errors import InvalidArgument, UnsupportedEncoding

ONE, TWO = (gzip.compress(text, mtime=0) for text in (b"one " * 50, b"two"))  # the same in every process


def unpack(body, step, most=1_000_000):
    gunzip, out = Gunzip(), b""
    for start in range(0, len(body), step):
        out += gunzip(body[start : start + step], most - len(out))
    gunzip.end()
    return out


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_members_and_padding(step):
    assert unpack(ONE, step) == b"one " * 50
    assert unpack(ONE + TWO + TWO, step) == b"one " * 50 + b"twotwo"
    assert unpack(ONE + b"\0\0\0" + TWO + b"\0", step) == b"one " * 50 + b"two"
    assert unpack(b"", step) == b""


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize(
    "body", [ONE[:-3], ONE[:5], ONE + TWO[:8], ONE + b"junk", ONE + b"\x1f", b"no gzip", b"\0" + ONE, ONE[:-8] + b"\0" * 8]
)
def test_what_is_cut_or_followed_by_junk_is_refused(body, step):
    with pytest.raises(InvalidArgument, match="The body is not gzip"):
        unpack(body, step)


def test_no_more_is_unpacked_than_is_wanted():
    gunzip = Gunzip()
    assert len(gunzip(gzip.compress(b" " * 10_000_000, mtime=0), 1001)) == 1001


def test_codings():
    assert isinstance(unpacker("gzip"), Gunzip)
    assert isinstance(unpacker("identity, X-GZIP"), Gunzip)
    for as_it_is in ("", "identity", "utf-8"):  # some clients take it for the charset
        assert unpacker(as_it_is) is None
    for unknown in ("br", "deflate", "zstd", "gzip, gzip", "gzip, br"):
        with pytest.raises(UnsupportedEncoding, match="send gzip"):
            unpacker(unknown)
