"""HTTP connections that may not wait for ever: uvicorn itself ends only those that are silent after an answer."""

import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEADERS_TIME = 10.0  # seconds from the connection, or from a request's first byte, to the end of its headers
KEEP_ALIVE = 60.0  # seconds between an answer and the next request
LARGEST_HEADERS = 64 * 1024  # bytes of a request's first line and headers


class Protocol(HttpToolsProtocol):
    """Ends connections that send their headers too slowly or without end, or do not read what they are sent."""

    max_connections = 1024

    @classmethod
    def limited(cls, max_connections: int):
        """The class for a server of at most so many connections: one beyond is answered with 503."""
        return type(cls.__name__, (cls,), {"max_connections": max_connections})

    def connection_made(self, transport):
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._timer, self._unsent, self._in_body = None, 0, False
        self._between(HEADERS_TIME)
        if len(self.connections) > self.max_connections:
            self._refuse(503, "Too many connections; try again later")

    def data_received(self, data):
        """See `asyncio.Protocol`."""
        if self._in_body:  # maybe of a request that was answered already
            super().data_received(data)
            return
        if self._timer and not self._header_bytes:  # a request begins
            self._between(HEADERS_TIME)
        self._header_bytes += len(data)
        super().data_received(data)
        if self._timer and self._header_bytes > LARGEST_HEADERS and not self.transport.is_closing() and not self._in_body:
            self._refuse(431, f"The headers are larger than {LARGEST_HEADERS} bytes")

    def on_headers_complete(self):
        """See `httptools`."""
        self._stop()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self):
        """See `httptools`."""
        self._in_body, self._header_bytes = False, 0
        super().on_message_complete()

    def on_response_complete(self):
        """See `HttpToolsProtocol`."""
        super().on_response_complete()
        self._unset_keepalive_if_required()  # uvicorn's; ours sees also those that do not read
        if not self.pipeline:
            self._between(KEEP_ALIVE)

    def connection_lost(self, exc):
        """See `asyncio.Protocol`."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg):
        """What is no HTTP gets an error of the usual form too."""
        self._refuse(400, msg)

    def _between(self, seconds):
        """No request is being answered: the next one's headers are there in time, or the connection ends."""
        self._stop()
        self._header_bytes, self._seconds = 0, seconds
        self._timer = self.loop.call_later(seconds, self._late)

    def _late(self):
        unsent, before = self.transport.get_write_buffer_size(), self._unsent
        self._unsent = unsent
        if unsent and (not before or unsent < before):  # it is still reading its answer
            self._timer = self.loop.call_later(self._seconds, self._late)
        else:
            self.transport.abort()

    def _stop(self):
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status, message):
        content = json.dumps({"error": message}).encode()
        headers = f"content-type: application/json\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + headers.encode() + content)
        self.transport.close()
