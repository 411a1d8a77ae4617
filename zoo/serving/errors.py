"""What can go wrong with a request, under the names of gRPC's status codes and with the HTTP codes of TensorFlow Serving."""

import re

from zoo.errors import ZooError

READ, LONGEST = 20_000, 500  # characters of a message that are read, and that are passed on
# What TensorFlow puts around the message of an op: where the op stands in the graph and in the program that built it.
FRAME = re.compile(
    r"Graph execution error:|Detected at node|<stack traces|Node: '|Errors? may have originated|\d+ root error|File \"|"
    r"\d+ (successful operations|derived errors)"
)
PLACE = re.compile(r"\[\[?\{\{.*|\{\{(function_)?node [^}]*\}\}|\[Op:[^\]]*\]( name:.*)?|^\(\d+\) [A-Z_]+: ")
PATH = re.compile(r"(?<![\w.:/])(/[^\s/'\"]+)+/(?=[^\s/'\"])")  # all but the last part of an absolute path


def told(error: Exception) -> str:
    """What an error of TensorFlow says to whoever asked: the op's own message, without its place and without local paths."""
    lines = []
    for line in str(error)[:READ].split("Traceback (most recent call last)")[0].splitlines():
        line = line.strip()
        if line.startswith("[[") and lines:
            break  # the message is over; what follows is another error, or this one again
        if line and not FRAME.match(line):
            lines.append(PLACE.sub("", line).strip())
    text = PATH.sub("", " ".join(filter(None, lines)))
    return text[:LONGEST] or type(error).__name__


class ServingError(ZooError):
    """A request that was not answered.

    Attributes:
        code: name of the gRPC status code.
        http: code of the HTTP reply.
    """

    code, http = "UNKNOWN", 500


class InvalidArgument(ServingError):
    """The request is wrong, and would be wrong again."""

    code, http = "INVALID_ARGUMENT", 400


class FailedPrecondition(InvalidArgument):
    """The request is wrong for this model: it has no such signature, or is in no state to answer."""

    code = "FAILED_PRECONDITION"


class NotFound(ServingError):
    """There is no such model, version or label."""

    code, http = "NOT_FOUND", 404


class RequestTimeout(ServingError):
    """The request did not arrive in time."""

    code, http = "DEADLINE_EXCEEDED", 408


class TooLarge(ServingError):
    """The request is larger than the server takes."""

    code, http = "RESOURCE_EXHAUSTED", 413


class UnsupportedEncoding(ServingError):
    """The request is packed in a way that the server does not know."""

    code, http = "INVALID_ARGUMENT", 415


class ResourceExhausted(ServingError):
    """Too much is waiting; try again later."""

    code, http = "RESOURCE_EXHAUSTED", 429


class Internal(ServingError):
    """The model failed."""

    code, http = "INTERNAL", 500


class Unimplemented(ServingError):
    """The server does not know the method."""

    code, http = "UNIMPLEMENTED", 501


class Unavailable(ServingError):
    """The server is not there, or is shutting down; try again later."""

    code, http = "UNAVAILABLE", 503


class DeadlineExceeded(ServingError):
    """There was no answer in time."""

    code, http = "DEADLINE_EXCEEDED", 504


def from_http(status: int, message: str) -> ServingError:
    """The error of an HTTP code."""
    known = {error.http: error for error in ServingError.__subclasses__()} | {502: Unavailable}  # a proxy without its server
    error = known.get(status, InvalidArgument if 400 <= status < 500 else ServingError)(message)
    error.http = status
    return error


def from_grpc(code: str, message: str) -> ServingError:
    """The error of a gRPC status code."""
    rest_only = (TooLarge, RequestTimeout, UnsupportedEncoding)
    code = {"CANCELLED": "UNAVAILABLE"}.get(code, code)  # by a server that stops: no client here cancels
    known = {error.code: error for error in ServingError.__subclasses__() if error not in rest_only}
    known[FailedPrecondition.code] = FailedPrecondition
    error = known.get(code, ServingError)(message)
    error.code = code
    return error
