"""The protocol of codecs: what a task has to know of one to be saved and to be rebuilt."""


class Codec:
    """A step between raw values and tensors, in TensorFlow ops only, one way or both.

    A subclass says what it holds; a codec without learnt names has no assets, and one without tables no resources.
    """

    @property
    def assets(self) -> dict[str, list[str]]:
        """File name → lines of text, written into an artefact."""
        return {}

    @property
    def resources(self) -> tuple:
        """Lookup tables and the like, which a SavedModel has to hold."""
        return ()

    def config(self) -> dict:
        """All that rebuilds it but the assets, as JSON."""
        return {}

    @classmethod
    def from_config(cls, config: dict, assets: dict[str, list[str]]):
        """Rebuilds it from a `config()` and the assets of its artefact."""
        return cls(**config)
