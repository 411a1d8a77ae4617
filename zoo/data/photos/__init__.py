"""A few photos to show what a model says of them; README.md names their origin."""

from pathlib import Path


def examples() -> list[bytes]:
    """Contents of the JPEG files, in order of their names."""
    return [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.jpg"))]
