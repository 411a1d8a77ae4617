"""HTTP connections that may not wait for ever, and may end their half first: what uvicorn cannot be told by its options."""

import json
import sys
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_TIME = 10.0  # seconds from the connection, or from the first byte after an answer, to the end of a request's headers
KEEP_ALIVE = 60.0  # seconds between an answer and the next request
LARGEST_HEADERS = 64 * 1024  # bytes of a request's first line and headers


class Protocol(H11Protocol):
    """Ends connections that send their headers too slowly or do not read what they are sent; answers those that end sending."""

    max_connections = 1024

    @classmethod
    def limited(cls, max_connections: int):
        """The class for a server of at most so many connections: one beyond is answered with 503."""
        return type(cls.__name__, (cls,), {"max_connections": max_connections})

    def connection_made(self, transport):
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._timer, self._unsent, self._is_between, self._has_ended = None, 0, False, False
        self._wait(HEADERS_TIME)
        if len(self.connections) > self.max_connections:
            self._refuse(503, "Too many connections; try again later")

    def data_received(self, data):
        """See `asyncio.Protocol`."""
        super().data_received(data)
        if self._is_answering():
            if not self.flow.write_paused:
                self._stop()
        elif self._is_between:
            self._is_between = False
            self._wait(HEADERS_TIME)

    def eof_received(self):
        """See `asyncio.Protocol`: a client may end its half when its request is complete, and still read the answer."""
        self._has_ended = self._is_answering() and not self.cycle.more_body
        return self._has_ended

    def on_response_complete(self):
        """See `H11Protocol`."""
        super().on_response_complete()
        self._unset_keepalive_if_required()  # uvicorn's; ours sees also those that do not read
        if not self._is_answering():
            self._is_between = True
            self._wait(KEEP_ALIVE)
        if self._has_ended and (self.cycle.response_complete or self.cycle.more_body):
            self.transport.close()

    def pause_writing(self):
        """See `asyncio.Protocol`: an answer waits until the client has read more of the one before."""
        super().pause_writing()
        self._wait(KEEP_ALIVE)

    def resume_writing(self):
        """See `asyncio.Protocol`."""
        super().resume_writing()
        if self._is_answering():
            self._stop()

    def connection_lost(self, exc):
        """See `asyncio.Protocol`."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg):
        """What is no HTTP gets an error of the usual form too. Called while h11's error is handled, which knows the code."""
        self._refuse(getattr(sys.exception(), "error_status_hint", 400), str(sys.exception() or msg)[:200])

    def _is_answering(self):
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self, seconds):
        """It is the client's turn, to send or to read: it does in time, or the connection ends."""
        self._stop()
        self._seconds = seconds
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
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            content = json.dumps({"error": message}).encode()
            headers = {"content-type": "application/json", "content-length": str(len(content)), "connection": "close"}
            response = h11.Response(status_code=status, reason=HTTPStatus(status).phrase, headers=list(headers.items()))
            events = response, h11.Data(data=content), h11.EndOfMessage()
            self.transport.write(b"".join(map(self.conn.send, events)))
        self.transport.close()
