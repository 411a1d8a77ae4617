"""How a server serves: its options with their defaults and bounds, of which some are flags of `zoo serve`."""

import argparse
import dataclasses
from dataclasses import dataclass, field

from zoo.serving.errors import InvalidArgument

MIB = 2**20


def _flag(default, help_text: str, *, name: str = "", unit=1, least=None, above=None):
    """A field that is a flag.

    Args:
        default: of the field; its type is that of the flag, or that of `default / unit`.
        help_text: what the flag says of itself.
        name: of the flag, where it is not that of the field.
        unit: how many of the field's are one of the flag's.
        least, above: what the value is at least, or above.
    """
    flag = {"help": help_text, "name": name, "unit": unit, "least": least, "above": above}
    return field(default=default, metadata={"flag": flag})


@dataclass(frozen=True)
class Batching:
    """How requests are put together; the names are those of TensorFlow Serving's BatchingParameters."""

    # 1 computes every request on its own. A request of more rows is never cut.
    max_batch_size: int = _flag(32, "rows computed at once", above=0)
    # Seconds that a batch which is not full waits for more; at 0 it takes what came while the one before was computed.
    batch_timeout: float = _flag(0.0, "wait for a full batch", name="batch-timeout-ms", unit=1e-3, least=0)
    num_batch_threads: int = _flag(2, "batches computed at once", above=0)
    # Rows of a request too, at most; one beyond is refused at once.
    max_enqueued_rows: int = _flag(512, "rows that may wait", above=0)
    # The size of a dimension, other than that of the rows, that the signature leaves open.
    max_steps: int = _flag(10_000, "steps of a row, at most", above=0)

    def require(self, name: str, spec, shape) -> None:
        """Refuses a value that would take too long, by its shape alone: a few bytes may stand for a large value.

        Args:
            name: of the input.
            spec: its `tf.TensorSpec`.
            shape: of the value.

        Raises:
            InvalidArgument: if it has too many rows or steps.
        """
        if shape and shape[0] > self.max_enqueued_rows:
            raise InvalidArgument(f"A request has {shape[0]:,} rows; at most {self.max_enqueued_rows} are taken")
        known = list(spec.shape) if spec.shape.rank == len(shape) else [None] * len(shape)
        steps = max((size for size, fixed in zip(shape[1:], known[1:], strict=True) if size != fixed), default=0)
        if steps > self.max_steps:
            raise InvalidArgument(
                f"input {name} has rows of {steps:,} steps; at most {self.max_steps:,} are taken: see --max-steps of zoo serve"
            )


@dataclass(frozen=True)
class Options:
    """How a server serves."""

    # Models; see `zoo.serving.models.ModelConfig`.
    models: tuple
    host: str = _flag("127.0.0.1", "address to listen at; 127.0.0.1 is reached from this machine only")
    # None for no port at all.
    port: int | None = _flag(8501, "of REST; 0 for a free one", least=0)
    grpc_port: int | None = _flag(8500, "of gRPC; 0 for a free one", least=0)
    batching: Batching = field(default_factory=Batching)
    poll_seconds: float = _flag(1.0, "between looks for new versions, 0 for never", least=0)
    timeout: float = _flag(30.0, "seconds to an answer", above=0)
    # Seconds within which a request's body arrives.
    body_timeout: float = 10.0
    grace: float = _flag(30.0, "seconds for the last answers at the end", least=0)
    # Bytes of a request, at most, and of all requests together.
    max_body: int = _flag(16 * MIB, "of a request", name="max-body-mb", unit=MIB, above=0)
    max_bytes: int = 256 * MIB
    # Connections, and calls of gRPC, at the same time, at most.
    max_connections: int = 1024

    def address(self, port: int) -> str:
        """HOST:PORT, an IPv6 address in brackets."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Gives a parser the flags of `Options` and `Batching`."""
    for one in _flags(Options) + _flags(Batching):
        flag = one.metadata["flag"]
        shown = one.default if flag["unit"] == 1 else one.default / flag["unit"]
        what = f"{flag['help']} (default: {shown if isinstance(shown, str) else format(shown, 'g')})"
        name = f"--{flag['name'] or one.name.replace('_', '-')}"
        parser.add_argument(name, dest=one.name, type=_read(one.default, **flag), default=one.default, help=what)


def from_flags(given: argparse.Namespace, models) -> Options:
    """The options that a parser with these flags has read, for such models."""
    options, batching = ({one.name: getattr(given, one.name) for one in _flags(kind)} for kind in (Options, Batching))
    return Options(tuple(models), batching=Batching(**batching), **options)


def _flags(kind) -> list:
    return [one for one in dataclasses.fields(kind) if "flag" in one.metadata]


def _read(default, *, unit, least, above, **_):
    """Text of a flag → value of its field, or argparse's error."""
    kind = type(default) if unit == 1 else float

    def read(text):
        value = kind(text)
        if least is not None and not value >= least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {text}")
        if above is not None and not value > above:
            raise argparse.ArgumentTypeError(f"must be above {above}, not {text}")
        return value if unit == 1 else type(default)(value * unit)

    read.__name__ = kind.__name__  # argparse: "invalid int value"
    return read
