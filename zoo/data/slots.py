"""Commands to a voice assistant with what they want and with what: SNIPS and its built-in sample."""

import json

from zoo.data import drawn_commands
from zoo.data.found import raw_directory, sample_splits
from zoo.data.spans import TaggedText, dataset, tagged_types
from zoo.data.splits import Splits, loader, normalised, stable_bucket
from zoo.errors import ZooError

INTENTS = tuple("AddToPlaylist BookRestaurant GetWeather PlayMusic RateBook SearchCreativeWork SearchScreeningEvent".split())
VALIDATING = 100  # utterances of an intent that validate, as many as its test file has


@loader
def snips_commands(config) -> Splits:
    """SNIPS: 14,484 commands of seven intents, with spans of 39 types.

    The literature's sizes: the files `validate_*.json` are the test split, and 100 commands an intent of the training files,
    here those of the lowest stable hash, validate; equal commands stay together.

    Args:
        config: a `RunConfig`; its `data` and `data_dir` decide.

    Returns:
        `Splits` of (text, label, start, end, intent), see `zoo.data.spans.dataset`; `labels` are the types of spans. Where the
        data set cannot be had, those of the sample.

    Raises:
        ZooError: see `raw_directory`; or if a file does not hold such commands.

    Source: Coucke et al. 2018, "Snips Voice Platform: an embedded Spoken Language Understanding system for
    private-by-design voice interfaces"; 2017-06-custom-intent-engines of its benchmark.
    """
    names = {name: (f"train_{name}_full.json", f"validate_{name}.json") for name in INTENTS}
    directory = raw_directory("snips", config, files=tuple(file for pair in names.values() for file in pair), archive=None)
    if directory is None:
        drawn = drawn_commands.drawn_commands()
        parts = {name: dataset(part) for name, part in drawn.items()}
        return sample_splits("SNIPS", drawn_commands.DESCRIPTION, parts, tagged_types(drawn["train"]))
    parts = {"train": [], "validation": [], "test": []}
    for name, (train, test) in names.items():
        commands = sorted(_read(directory / train, name), key=lambda command: stable_bucket(command.text, 2**60))
        cut = VALIDATING
        while cut < len(commands) and normalised(commands[cut - 1].text) == normalised(commands[cut].text):
            cut += 1
        parts["validation"] += commands[:cut]
        parts["train"] += commands[cut:]
        parts["test"] += _read(directory / test, name)
    return Splits(
        source="real",
        **{name: dataset(part) for name, part in parts.items()},
        description=f"SNIPS custom intent engines 2017, its validation files as test; of its training files {VALIDATING}"
        " commands an intent, those of the lowest stable hash, validate",
        terms="CC0 1.0",
        labels=tagged_types(parts["train"]),
    )


def _read(path, intent: str) -> list[TaggedText]:
    content = path.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # one of the files is
    try:
        commands = [[(part["text"], part.get("entity")) for part in each["data"]] for each in json.loads(text)[intent]]
    except (ValueError, KeyError, TypeError) as error:
        raise ZooError(f"{path} does not hold commands of {intent} with their parts: {error!r}.") from error
    return [TaggedText.join(parts, intent) for parts in commands]
