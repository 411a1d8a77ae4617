"""Bodies of requests that are compressed; see RFC 9110, 8.4, and RFC 1952."""

import zlib

from zoo.serving.errors import InvalidArgument, UnsupportedEncoding

UNKNOWN = {"compress", "deflate", "br", "zstd", "dcb", "dcz"}  # codings that the body would have to be unpacked from


def unpacker(encoding: str):
    """A `Gunzip` for a Content-Encoding, None where the body is read as it is: also for what is no coding, like "utf-8".

    Raises:
        UnsupportedEncoding: for any other coding.
    """
    codings = [name.strip().lower() for name in encoding.split(",") if name.strip().lower() not in ("", "identity")]
    if len(codings) > 1 or UNKNOWN & set(codings):
        raise UnsupportedEncoding(f"Content-Encoding {encoding!r} is not known here; send gzip, or the body as it is")
    return Gunzip() if codings and codings[0] in ("gzip", "x-gzip") else None


class Gunzip:
    """Unpacks gzip as it arrives, of one member or several, with zeros behind them or not."""

    def __init__(self):
        self._member, self._seen = None, False

    def __call__(self, part: bytes, most: int) -> bytes:
        """What comes out of a part, up to so many bytes: of more no more is unpacked, so that a few do not become gigabytes.

        Raises:
            InvalidArgument: if it is no gzip.
        """
        out, size = [], 0
        while size < most:
            if self._member is None and self._seen:
                part = part.lstrip(b"\0")
            if not part:
                break
            self._member, self._seen = self._member or zlib.decompressobj(31), True
            try:
                out.append(self._member.decompress(part, most - size))
            except zlib.error as error:
                raise InvalidArgument(f"The body is not gzip: {error}") from error
            size += len(out[-1])
            part = self._member.unconsumed_tail
            if self._member.eof:
                part, self._member = self._member.unused_data, None
        return b"".join(out)

    def end(self) -> None:
        """To be called when there is no more.

        Raises:
            InvalidArgument: if it ended in the middle.
        """
        if self._member:
            raise InvalidArgument("The body is not gzip: it ends in the middle")
