"""What an artefact says of itself: its card, the hashes of its files, its stored weights."""

import hashlib
import json
import os
import sys
from pathlib import Path

from zoo import files
from zoo.artefacts import findings, schema
from zoo.artefacts.find import CARD
from zoo.artefacts.markdown import code, interval, number, prose
from zoo.errors import ZooError
from zoo.names import printable

# Files of an artefact that the card does not list: itself, and its rendering for people, which no program reads.
OWN = (CARD, "README.md")
# Without these there is nothing to load; a card that does not list them would protect nothing.
LISTED = ("saved_model.pb", "variables/variables.index")


def readable(directories) -> list[tuple[Path, dict]]:
    """Directories of artefacts with their cards; one whose card cannot be read is left out, and that is said on stderr."""
    found = []
    for directory in directories:
        try:
            found.append((directory, read(directory)))
        except ZooError as error:
            print(f"left out: {printable(str(error))}", file=sys.stderr)
    return found


def read(directory: Path) -> dict:
    """The card of an artefact's directory.

    Raises:
        ZooError: if it cannot be read, or a field is missing or not of its kind (`zoo.artefacts.schema`); it names the field.
    """
    path = Path(directory) / CARD
    try:
        if not path.is_file():
            raise FileNotFoundError("it is not there")
        if path.stat().st_size > schema.LARGEST:
            raise ValueError(f"it is larger than {schema.LARGEST // 2**20} MB")
        return schema.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZooError(
            f"{path} is not readable as a card ({error}): the artefact is damaged. Restore it or export it again."
        ) from error


def hashes(directory: Path) -> dict[str, str]:
    """SHA-256 of every file of an artefact but the card and its rendering, by path relative to the directory.

    Raises:
        ZooError: if there is a link that leads out of the directory, or what is neither a file nor a directory.
    """
    found = {}
    for path in _files(Path(directory)):
        name = path.relative_to(directory).as_posix()
        if name not in OWN:
            try:
                with path.open("rb") as file:
                    found[name] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise ZooError(f"{path} cannot be read: {error.strerror}.") from error
    return dict(sorted(found.items()))


def _files(directory: Path):
    """The files below a directory; nothing that leads elsewhere or is no file."""
    root = Path(os.path.realpath(directory))
    for place, directories, names in os.walk(directory):  # it does not follow links to directories
        for name in directories + names:
            path = Path(place) / name
            if path.is_symlink() and (name in directories or not Path(os.path.realpath(path)).is_relative_to(root)):
                raise ZooError(
                    f"{path} is a link to {os.readlink(path)}. An artefact holds its files itself: copy what it leads to."
                )
            if name in names:
                if not os.path.isfile(path):
                    raise ZooError(f"{path} is neither a file nor a directory. An artefact holds nothing else: remove it.")
                yield path


def verify(directory: Path, card: dict) -> None:
    """Compares the files of an artefact with the hashes of its card: damage is noticed, intent is not (SECURITY.md).

    Raises:
        ZooError: it names the first file that differs, is missing or is not listed.
    """
    listed = card["files"]
    for name in LISTED:
        if name not in listed:
            raise ZooError(f"{Path(directory) / CARD} does not list {name}: its files cannot be checked. Export it again.")
    actual = hashes(directory)
    for name, expected in listed.items():
        if name not in actual:
            raise ZooError(f"{directory} is damaged: {name} is missing. Restore it (git checkout) or export it again.")
        if actual[name] != expected:
            raise ZooError(f"{directory} is damaged: {name} is not the file that was exported. Restore it (git checkout).")
    if more := sorted(actual.keys() - listed.keys()):
        raise ZooError(f"{directory} holds {more[0]}, which its card does not list: an artefact holds nothing else. Remove it.")


def weights(directory: Path) -> dict:
    """The stored weights of an artefact: Keras path → numpy array."""
    import tensorflow as tf

    verify(directory, read(directory))
    suffix, prefix = "/.ATTRIBUTES/VARIABLE_VALUE", "weights/"
    try:
        with files.plain(directory) as place:
            reader = tf.train.load_checkpoint(str(place / "variables" / "variables"))
            return {
                key[len(prefix) : -len(suffix)].replace(".S", "/"): reader.get_tensor(key)
                for key in reader.get_variable_to_shape_map()
                if key.startswith(prefix) and key.endswith(suffix)
            }
    except (ValueError, RuntimeError, tf.errors.OpError) as error:  # files with the hashes of the card, but no weights
        raise ZooError(f"{directory / 'variables'} holds no weights that can be read: {str(error).splitlines()[0]}") from error


def first_score(card: dict) -> tuple[str, str, str]:
    """The name, the value and the interval of the score that stands first, as text; dashes where nothing was scored."""
    for name, score in card["scores"].items():
        return name, number(score["value"]), interval(score)
    return "-", "-", "-"


def render(card: dict, name: str | None = None) -> str:
    """The card as Markdown, the artefact's README.

    Args:
        card: of the artefact.
        name: what `zoo.load` is to be given: a path, or the name that it is published under, which is the card's, if None.
    """
    from zoo.artefacts import values  # here, since it needs NumPy: `zoo list` needs none

    run, data, task = card["run"], card["data"], card["task"]
    best, kept = number(run["best"]), run["best_epoch"] or "what it began with"
    example = card["examples"][0] if card["examples"] else {"input": "...", "output": {}}
    only = next(iter(card["signatures"]["serving_default"]["inputs"]), "file")  # or the first, which has no name in the example
    example_input = printable(values.as_code(example["input"], only))
    if isinstance(example["input"], list):  # a series fills pages
        example_input = 'model.card["examples"][0]["input"]'
    lines = [
        f"# {card['name']}",
        "",
        f"{prose(card['summary'])} Mapping: {card['mapping'].replace('_', '-')}. Builder: `{task['builder']}`.",
        "",
        "```python",
        *(["from pathlib import Path", ""] if 'Path("' in example_input else []),
        "import zoo",
        "",
        f"model = zoo.load({json.dumps(printable(name or card['name']), ensure_ascii=False)})",
        f"model.predict([{example_input}])",
        f"# {printable(str(values.with_sizes(example['output'])))}",
        "```",
        "",
        "## Scores",
        "",
        f"Measured on this artefact itself, called with raw inputs ({prose(data['test'])}):",
        "",
        "| score | value | 95 % interval | examples |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {prose(key)} | {number(score['value'])} | {interval(score)} | {score['n']:,} |"
        for key, score in card["scores"].items()
    ]
    signatures = {key: score["signature"] for key, score in card["scores"].items() if "signature" in score}
    if signatures:  # without it a BLEU cannot be compared with another
        words = "; ".join(f"{prose(key)} {code(value)}" for key, value in signatures.items())
        names_itself = any(value.startswith("rouge-score") for value in signatures.values())
        lines += ["", f"{'Signatures' if names_itself else 'sacreBLEU signatures'}: {words}."]
    lines += findings.rendered(card)
    lines += ["", "## Where it comes from", "", "| | |", "|---|---|"]
    facts = {
        "command": code(run["command"]).replace("|", "\\|"),
        "data": prose(data["description"]),
        "terms of the data the weights come from": prose(data["terms"]),
        "split": ", ".join(f"{key} {count:,}" for key, count in data["sizes"].items()),
        **({"weights it began with": prose(run["began_with"])} if run.get("began_with") else {}),
        "seed": run["seed"],
        "epochs": f"{run['epochs']}; kept: {kept}, the best by {prose(run['monitor'])} on validation ({best})",
        "time": f"{run['seconds'] / 60:.1f} min on {prose(run['hardware'])}",
        "parameters": f"{card['parameters']:,}",
        "size": f"{card['bytes'] / 1e6:.1f} MB",
        "recurrent kernels in the graph": ", ".join(f"{op} ×{count}" for op, count in card["kernels"].items()) or "none",
        "arguments": ", ".join(f"{key}={prose(value)}" for key, value in task["arguments"].items()),
        "versions": ", ".join(f"{key} {prose(value)}" for key, value in card["versions"].items()),
        "files": f"SHA-256 of all {len(card['files'])} in `card.json`, checked by `zoo.load`",
    }
    lines += [f"| {key} | {value} |" for key, value in facts.items()]
    pictures = {title: file for title, file in card.get("pictures", {}).items() if file in card["files"]}
    if pictures:
        lines += ["", "## Pictures"]
        for title, file in pictures.items():
            lines += ["", f"![{prose(title)}]({file})"]
    lines += ["", "## Signatures", "", "| signature | inputs | outputs |", "|---|---|---|"]
    for name, signature in card["signatures"].items():
        inputs, outputs = (
            ", ".join(f"{code(key)} {value}" for key, value in signature[part].items()) for part in ("inputs", "outputs")
        )
        lines.append(f"| {code(name)} | {inputs} | {outputs} |")
    return "\n".join([*lines, ""])
