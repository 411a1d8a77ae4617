"""What can go wrong with a request, under the names of gRPC's status codes and with the HTTP codes of TensorFlow Serving."""

from zoo.errors import ZooError


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


class NotFound(ServingError):
    """There is no such model, version or label."""

    code, http = "NOT_FOUND", 404


class RequestTimeout(ServingError):
    """The request did not arrive in time."""

    code, http = "DEADLINE_EXCEEDED", 408


class TooLarge(ServingError):
    """The request is larger than the server takes."""

    code, http = "RESOURCE_EXHAUSTED", 413


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
    known = {error.http: error for error in ServingError.__subclasses__()}
    return known.get(status, InvalidArgument if 400 <= status < 500 else ServingError)(message)


def from_grpc(code: str, message: str) -> ServingError:
    """The error of a gRPC status code."""
    known = {error.code: error for error in ServingError.__subclasses__() if error not in (TooLarge, RequestTimeout)}
    return known.get(code, ServingError)(message)
