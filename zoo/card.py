"""What an artefact says of itself: where artefacts are found, their card, the hashes of their files, their stored weights."""

import hashlib
import json
import os
import re
from pathlib import Path

from zoo.errors import ZooError

FILE = "card.json"
# Title of a picture → its file.
PICTURES = {
    "Training curves": "pictures/curves.png",
    "Attention": "pictures/attention.png",
    "Learning curves": "pictures/learning_curves.png",
    "Gradient flow": "pictures/gradient_flow.png",
}


def roots() -> list[tuple[str, Path]]:
    """Where published artefacts are looked for, in order, each with the words that name the place."""
    package = Path(__file__).parent
    inside = package / "saved_models"  # where setup.py puts them in a wheel
    found = [("./saved_models", Path("saved_models"))]
    found.append(("the package", inside) if inside.is_dir() else ("the checkout", package.parent / "saved_models"))
    if os.environ.get("ZOO_MODELS"):
        found.insert(0, ("$ZOO_MODELS", Path(os.environ["ZOO_MODELS"])))
    else:
        found.insert(0, ("$ZOO_MODELS (not set)", None))
    return found


def artefacts() -> dict[str, Path]:
    """The newest version of every published artefact, name → directory; the first root that has a name wins."""
    found = {}
    for _, root in roots():
        if root is not None and root.is_dir():
            for directory in sorted(root.iterdir()):
                if directory.name not in found and (there := version_directories(directory)):
                    found[directory.name] = there[max(there)]
    return found


def bases(names=()) -> dict[str, Path]:
    """Name → the directory of its versions, of published artefacts: those named, or all.

    Raises:
        ZooError: if there is none of a name, or none at all.
    """
    found = {name: find(name).parent for name in names or artefacts()}
    if not found:
        raise ZooError("There is no published artefact; `zoo publish` makes one of a run.")
    return found


def versions(directory: Path) -> list[int]:
    """The versions below NAME/, ascending."""
    return sorted(version_directories(directory))


def version_directories(directory: Path) -> dict[int, Path]:
    """Version → its directory, of the artefacts below NAME/."""
    there = numbered(directory) if directory.is_dir() else {}
    return {version: path for version, path in there.items() if (path / FILE).is_file()}


def numbered(directory: Path) -> dict[int, Path]:
    """Version → directory, of the directories below another that are named as a version is.

    As in TensorFlow Serving: decimal digits that fit into 64 bits, zeros before them or not ("00000123" is version 123).
    `str.isdigit` takes "²" and "١٢" too.

    Raises:
        OSError: if the directory cannot be read.
    """
    found = {}
    for path in sorted(directory.iterdir()):  # of "007" and "7" the plain one counts
        if re.fullmatch("[0-9]{1,40}", path.name) and int(path.name) < 2**63 and os.path.isdir(path):
            found[int(path.name)] = path
    return found


def find(name, version: int | None = None) -> Path:
    """The directory of an artefact.

    Args:
        name: a published name, or the path of an artefact's directory.
        version: a published version; the newest if None.

    Raises:
        ZooError: if there is none; it names the places looked at.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise ZooError(f"The name of an artefact is a string or a path, not {type(name).__name__}.")
    path = Path(name)
    if (path / FILE).is_file():
        return path.resolve()
    looked = []
    if str(name) and path.name == str(name):  # a bare name
        for words, root in roots():
            if root is None:
                looked.append(words)
                continue
            looked.append(words if words.startswith(".") else f"{words} ({root})")
            if found := _version(root / name, version):
                return found
    elif found := _version(path, version):
        return found
    if not looked:
        raise ZooError(f"There is no artefact at {path}: it has no {FILE}.")
    from zoo.registry import did_you_mean, list_models

    known = artefacts()
    hint = f" {did_you_mean(str(name), known)}" if known else ""
    if name in list_models():
        hint = " It is a builder: zoo.create_model makes an untrained model of it."
    raise ZooError(f"There is no artefact {name!r}; looked in {', '.join(looked)}.{hint}")


def _version(directory: Path, version: int | None) -> Path | None:
    """One version below NAME/, the newest if None; None if there is not any."""
    there = version_directories(directory)
    if there and version not in (None, *there):
        known = ", ".join(map(str, sorted(there)))
        raise ZooError(f"{directory.name} has no version {version}; there is {known} in {directory}.")
    return there[max(there) if version is None else version].resolve() if there else None


def read(directory: Path) -> dict:
    """The card of an artefact's directory."""
    path = Path(directory) / FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(card, dict) or "files" not in card:
            raise ValueError("it names no files")
        return card
    except (OSError, ValueError) as error:
        raise ZooError(
            f"{path} is not readable as a card ({error}): the artefact is damaged. Restore it or export it again."
        ) from error


def hashes(directory: Path) -> dict[str, str]:
    """SHA-256 of every file of an artefact but the card and its rendering, by path relative to the directory."""
    own = {FILE, "README.md"}
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    names = [path.relative_to(directory).as_posix() for path in files]
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in zip(names, files, strict=True) if name not in own
    }


def verify(directory: Path, card: dict) -> None:
    """Compares the files with the card's hashes; raises `ZooError` that names the first file that differs or is missing."""
    actual = hashes(directory)
    for name, expected in card["files"].items():
        if name not in actual:
            raise ZooError(f"{directory} is damaged: {name} is missing. Restore it (git checkout) or export it again.")
        if actual[name] != expected:
            raise ZooError(f"{directory} is damaged: {name} is not the file that was exported. Restore it (git checkout).")


def weights(directory: Path) -> dict:
    """The stored weights of an artefact: Keras path → numpy array."""
    import tensorflow as tf

    verify(directory, read(directory))
    reader = tf.train.load_checkpoint(str(directory / "variables" / "variables"))
    suffix, prefix = "/.ATTRIBUTES/VARIABLE_VALUE", "weights/"
    return {
        key[len(prefix) : -len(suffix)].replace(".S", "/"): reader.get_tensor(key)
        for key in reader.get_variable_to_shape_map()
        if key.startswith(prefix) and key.endswith(suffix)
    }


def number(value: float) -> str:
    """A score as text: shares with four decimals, what goes up to 100 with two, a tiny error with two digits."""
    if 0 < abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.4f}" if abs(value) <= 1 else f"{value:.2f}"


def interval(score: dict) -> str:
    """The 95 % interval of a score as text."""
    return f"{number(score['low'])} to {number(score['high'])}"


def render(card: dict) -> str:
    """The card as Markdown, the artefact's README."""
    run, data, task = card["run"], card["data"], card["task"]
    best = number(run["best"])
    example = card["examples"][0]
    is_file = isinstance(example["input"], dict) and "b64" in example["input"]
    example_input = 'Path("image.png")' if is_file else json.dumps(example["input"], ensure_ascii=False)
    if isinstance(example["input"], list):  # a series fills pages
        example_input = 'model.card["examples"][0]["input"]'
    lines = [
        f"# {card['name']}",
        "",
        f"{card['summary']} Mapping: {card['mapping'].replace('_', '-')}. Builder: `{task['builder']}`.",
        "",
        "```python",
        *(["from pathlib import Path", ""] if is_file else []),
        "import zoo",
        "",
        f'model = zoo.load("{card["name"]}")',
        f"model.predict([{example_input}])",
        f"# {example['output']}",
        "```",
        "",
        "## Scores",
        "",
        f"Measured on this artefact itself, called with raw inputs ({data['test']}):",
        "",
        "| score | value | 95 % interval | examples |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {key} | {number(score['value'])} | {interval(score)} | {score['n']:,} |" for key, score in card["scores"].items()
    ]
    signatures = {key: score["signature"] for key, score in card["scores"].items() if "signature" in score}
    if signatures:  # without it a BLEU cannot be compared with another
        lines += ["", "sacreBLEU signatures: " + "; ".join(f"{key} `{value}`" for key, value in signatures.items()) + "."]
    lines += ["", "## Where it comes from", "", "| | |", "|---|---|"]
    facts = {
        "command": f"`{run['command']}`",
        "data": data["description"],
        "terms of the data the weights come from": data["terms"],
        "split": ", ".join(f"{key} {count:,}" for key, count in data["sizes"].items()),
        "seed": run["seed"],
        "epochs": f"{run['epochs']}; kept: {run['best_epoch']}, the best by {run['monitor']} on validation ({best})",
        "time": f"{run['seconds'] / 60:.1f} min on {run['hardware']}",
        "parameters": f"{card['parameters']:,}",
        "size": f"{card['bytes'] / 1e6:.1f} MB",
        "recurrent kernels in the graph": ", ".join(f"{op} ×{count}" for op, count in card["kernels"].items()) or "none",
        "arguments": ", ".join(f"{key}={value}" for key, value in task["arguments"].items()),
        "versions": ", ".join(f"{key} {value}" for key, value in card["versions"].items()),
        "files": f"SHA-256 of all {len(card['files'])} in `card.json`, checked by `zoo.load`",
    }
    lines += [f"| {key} | {value} |" for key, value in facts.items()]
    pictures = {title: file for title, file in PICTURES.items() if file in card["files"]}
    if pictures:
        lines += ["", "## Pictures"]
        for title, file in pictures.items():
            lines += ["", f"![{title}]({file})"]
    lines += ["", "## Signatures", "", "| signature | inputs | outputs |", "|---|---|---|"]
    for name, signature in card["signatures"].items():
        inputs = ", ".join(f"`{key}` {value}" for key, value in signature["inputs"].items())
        outputs = ", ".join(f"`{key}` {value}" for key, value in signature["outputs"].items())
        lines.append(f"| `{name}` | {inputs} | {outputs} |")
    return "\n".join([*lines, ""])
