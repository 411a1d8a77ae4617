"""Writes the numbers of README.md and docs/ from the cards of the trained models and the tables of the benchmarks.

    python docs/generate.py

What stands between `<!-- table: NAME ARGUMENTS -->` and `<!-- end -->` is what the function NAME below makes of the newest
cards in saved_models/ and of benchmarks/results/. Most tables of a new task need none of their own: `card`, `scores`,
`picture` and `csv` take its name. tests/test_docs.py fails where a document is older than what it shows.
"""

import collections
import csv as csv_
import itertools
import os
import re
import statistics
from pathlib import Path

from zoo import files, names
from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.errors import ZooError

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MARKED = re.compile(r"(<!-- table: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
TABLES = {}


def table(function):
    """Registers a function of (directory of the document, arguments of the marker) → Markdown."""
    TABLES[function.__name__] = function
    return function


# Of any task


@table
def tasks(here: Path) -> str:
    """All published models: what they map, how well, how large, how fast."""
    measured = rows("latency_shipped_cpu")
    times = {(row["artefact"], row["version"]): f"{row['ms']} ms" for row in measured}
    lines = []
    for name, (directory, card) in published().items():
        page = ROOT / "docs" / "tasks" / f"{name}.md"
        score, value, interval = cards.first_score(card)
        lines.append(
            [
                card["mapping"].replace("_", "-"),
                f"[`{name}`]({link(here, page if page.is_file() else directory / 'README.md')})",
                f"{cards.code(card['task']['builder'])}: {cards.prose(card['summary']).rstrip('.')}",
                f"{cards.prose(score)} **{value}** ({interval})",
                f"{card['bytes'] / 1e6:.1f} MB",
                times.get((name, directory.name), "–"),
            ]
        )
    order = ["one-to-one", "one-to-many", "many-to-one", "many-to-many"]
    lines.sort(key=lambda line: order.index(line[0]))
    shown = markdown(
        ["mapping", "model", "builder, and what it does", "test score (95 % interval)", "size", "one input"], lines
    )
    load = max(float(row["load_before"]) for row in measured)
    note = f"\n\nThe times were measured beside other work (a load of {load:.0f}): an idle machine is faster."
    return shown + (note if load > 1 else "")


@table
def card(here: Path, name: str) -> str:
    """What an artefact is, in a line."""
    directory, facts = published()[name]
    run = facts["run"]
    return (
        f"[Card of version {directory.name}]({link(here, directory / 'README.md')}): {facts['parameters']:,} parameters, "
        f"{facts['bytes'] / 1e6:.1f} MB; {cards.prose(facts['data']['description'])}. Made by {cards.code(run['command'])} "
        f"in {run['seconds'] / 60:.0f} minutes on {cards.prose(run['hardware'])}."
    )


@table
def scores(here: Path, name: str) -> str:
    """All scores of an artefact."""
    found = published()[name][1]["scores"].items()
    lines = [[cards.prose(key), cards.number(score["value"]), cards.interval(score), f"{score['n']:,}"] for key, score in found]
    return markdown(["score", "value", "95 % interval", "examples"], lines)


@table
def picture(here: Path, name: str, file: str) -> str:
    """A picture of an artefact."""
    directory, facts = published()[name]
    path = f"pictures/{file}.png"
    if path not in facts["files"]:
        raise ZooError(f"The artefact {name} {directory.name} has no picture {file}.")
    return f"![{file.replace('_', ' ').capitalize()}]({link(here, directory / path)})"


@table
def csv(here: Path, name: str, *columns: str) -> str:
    """A table of benchmarks/results: the columns that are named, + for spaces, or all but the machine and the command."""
    found = rows(name)
    shown = [column.replace("+", " ") for column in columns]
    shown = shown or [column for column in found[0] if column not in ("machine", "command")]
    return markdown([column.replace("_", " ") for column in shown], [[row[column] for column in shown] for row in found])


# Of kernels


@table
def own_data(here: Path) -> str:
    """What people with data of their own get by defaults, beside what they would pick instead."""
    lines = [
        [row["case"], row["score"], f"**{row['zoo']}**", row["alternative"] or "–", row["target"], row["seeds"], row["seconds"]]
        for row in rows("own_data")
    ]
    return markdown(["data", "score", "zoo", "instead", "target", "seeds", "seconds"], lines)


@table
def speed(here: Path) -> str:
    """One recurrent layer, or the stack of a text model, against the others."""
    columns = {"vs_keras": "Keras", "vs_keras_xla": "Keras + XLA", "vs_torch": "PyTorch", "vs_onnxruntime": "ONNX Runtime"}
    key = ("inputs", "cell", "directions", "layers", "units", "batch", "length", "mode")
    found = {tuple(row[name] for name in key): row for row in rows("recurrent_cpu")}
    kinds = [(("vectors", cell, "1", "1", "128"), "100", "inference") for cell in ("lstm", "gru", "rnn")]
    shown = [(*stack, batch, *rest) for batch in ("1", "32") for stack, *rest in kinds]
    shown += [("tokens", "lstm", "2", "2", "64", batch, "200", "inference") for batch in ("1", "32")]
    shown += [("vectors", cell, "1", "1", "128", "32", "200", "training") for cell in ("lstm", "gru")]
    lines = []
    for row in (found[key] for key in shown):
        text = "text model of 2 layers in both directions, " if row["inputs"] == "tokens" else ""
        name = f"{row['cell'].upper()} {row['units']}, {text}{row['mode']}, batch {row['batch']}, {row['length']} steps"
        lines.append([name, row["zoo_ms"], row["floor_ms"], *(row[column] or "–" for column in columns)])
    return markdown(["case", "zoo, ms", "floor, ms", *columns.values()], lines)


@table
def speed_summary(here: Path) -> str:
    """All cases of the recurrent layers, by what is done and the size of the batch."""
    found, lines = rows("recurrent_cpu"), []
    for mode, peer, (name, batches) in itertools.product(
        ("inference", "training"), ("keras", "torch"), {"1": {"1"}, "8 to 128": {"8", "32", "128"}}.items()
    ):
        part = [row for row in found if row["mode"] == mode and row["batch"] in batches]
        ratios = [float(row[f"vs_{peer}"]) for row in part if row[f"vs_{peer}"]]
        below = sum(ratio < 1 for ratio in ratios)
        middle = [f"{statistics.median(ratios):.2f}", below, f"{min(ratios):.2f}"]
        lines.append([mode, name, {"keras": "stock Keras", "torch": "PyTorch"}[peer], len(ratios), *middle])
    titles = ["", "batch", "against", "cases", "median", "cases below 1", "least"]
    machines = collections.Counter(row["machine"] for row in found)
    words = "; ".join(f"{count} on {name}" for name, count in machines.items())
    words = words.replace("on not recorded", "on a machine that was not recorded")
    return f"{markdown(titles, lines)}\n\nWhere the {len(found)} cases were measured: {words}."


@table
def gpu(here: Path, device: str) -> str:
    """What `gpu_check.py` found, with the same measure of several models in one row."""
    groups = {}
    for row in rows(f"gpu_check_{device}"):
        stage, (*model, measure) = row["stage"], row["what"].split(": ")
        if stage.startswith("saved_models/"):
            stage = "shipped artefacts"
        elif not row["value"]:  # an error, which goes on for lines
            model, measure = [], f"{row['what'][:60]} ..."
        elif stage in ("kernels", "parity", "session") and model != ["while_loop"]:
            model = []
        if stage != "machine":
            groups.setdefault((stage, ": ".join([*model, measure])), []).append(row)
    lines = []
    for (stage, what), part in groups.items():
        values = list(dict.fromkeys(sorted((row["value"] for row in part if row["value"]), key=float)))
        shown = f"{values[0]} to {values[-1]}" if len(values) > 1 else "".join(values)
        failed = sum(row["ok"] == "FAILED" for row in part)
        result = "FAILED" if failed else ("ok" if part[0]["ok"] else "")
        lines.append([stage, cards.prose(what), shown, part[0]["target"], result])
    return markdown(["stage", "what", "value", "target", ""], lines)


# Of single tasks


@table
def imdb_compared(here: Path) -> str:
    """The sentiment classifier, its parts, and what one would use in its place."""
    facts = published()["imdb_sentiment"][1]
    parts = {"accuracy": "**`imdb_sentiment`**", "accuracy, ngrams alone": "its n-gram path alone"}
    parts |= {"accuracy, recurrent alone": "its recurrent path alone"}
    lines = []
    for key, what in parts.items():
        score = facts["scores"][key]
        size = f"{facts['bytes'] / 1e6:.1f} MB" if key == "accuracy" else ""
        lines.append([what, cards.number(score["value"]), cards.interval(score), size])
    for row in sorted(rows("imdb_baselines"), key=lambda row: row["value"], reverse=True):
        name = f"scikit-learn: {row['model'].rstrip('.')}"
        lines.append([name, row["value"], f"{row['low']} to {row['high']}", f"{int(row['features']):,} features"])
    return markdown(["model", "accuracy", "95 % interval", "size"], lines)


# Of serving


@table
def serving(here: Path) -> str:
    """`zoo serve` with the export of the zoo and with that of stock Keras, closed loop and p99 of the open loop."""
    titles = ["model", "batching", "zoo, requests/s", "stock Keras", "ratio", "zoo, p99", "stock Keras"]
    titles += ["p99 at half of its load, zoo", "stock Keras"]
    found = {tuple(row[key] for key in ("model", "batching", "loop", "export")): row for row in rows("serving_cpu")}
    lines = []
    for model, batching in dict.fromkeys(key[:2] for key in found):
        zoo, stock = (found[model, batching, "closed", export] for export in ("zoo", "keras"))
        name = "text model, 2 bidirectional LSTM 64" if model == "bilstm" else f"`{model}`"
        line = [name, batching, *(f"{float(row['requests_per_s']):.0f}" for row in (zoo, stock)), zoo["throughput_ratio"]]
        tails = [zoo, stock, *(found[model, batching, "open", export] for export in ("zoo", "keras"))]
        lines.append([*line, *(f"{float(row['p99_ms']):.0f} ms" for row in tails)])
    return markdown(titles, lines)


@table
def soak(here: Path) -> str:
    """Load for a long time, and what the server's memory does."""
    found = rows("serving_soak_cpu")
    memory = [int(row["memory_mb"]) for row in found if int(row["seconds"]) > 60]
    requests, failed = (sum(int(row[column]) for row in found) for column in ("requests", "failed"))
    return (
        f"{int(found[-1]['seconds']) / 60:.0f} minutes: {requests:,} requests, {failed} failed, memory {min(memory)} to "
        f"{max(memory)} MB from the second minute on and {memory[-1]} at the end."
    )


@table
def oldest_serving(here: Path) -> str:
    """Artefact → the oldest TensorFlow Serving that answers as its card says."""
    releases = {}
    for row in rows("compatibility_cpu"):
        if row["answers"] == "ok":
            releases.setdefault((row["artefact"], row["version"]), []).append(row["tensorflow"])
    lines = [
        [f"`{name}` {version}", min(found, key=lambda release: [int(part) for part in release.split(".")])]
        for (name, version), found in sorted(releases.items())
    ]
    return markdown(["artefact", "oldest TensorFlow Serving"], lines)


# What they are made of


def published() -> dict[str, tuple[Path, dict]]:
    """Name → directory and card of the newest version of every artefact in saved_models/."""
    found = {}
    for base in sorted((ROOT / "saved_models").iterdir()):
        if versions := find.version_directories(base):
            directory = versions[max(versions)]
            found[base.name] = directory, cards.read(directory)
    return found


def rows(name: str) -> list[dict[str, str]]:
    """The rows of benchmarks/results/NAME.csv."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv_.DictReader(file))


def markdown(titles, lines) -> str:
    """A table."""
    lines = [titles, ["---"] * len(titles), *lines]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines).replace("| --- ", "|---").replace("|--- |", "|---|")


def link(here: Path, target: Path) -> str:
    """The path from a document's directory to a file."""
    return Path(os.path.relpath(target, here)).as_posix()


def generated(text: str, here: Path) -> str:
    """A document with all its marked parts anew.

    Raises:
        ZooError: if a marker has no end, or names no function.
    """

    def one(match):
        start, name, old, end = match.groups()
        name, *arguments = name.split()
        if "<!-- table:" in old or name not in TABLES:
            raise ZooError(f"The marker {start.strip()} has no end, or is none of {', '.join(TABLES)}.")
        return f"{start}{TABLES[name](here, *arguments)}\n{end}"

    return MARKED.sub(one, text)


def stale() -> dict[Path, str]:
    """Document → what it should be, of README.md and docs/ those that differ."""
    found = {}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        try:
            new = generated(text, path.parent)
        except (ZooError, KeyError, OSError, TypeError) as error:
            raise ZooError(f"{names.shown(path)}: {error}") from error
        if new != text:
            found[path] = new
    return found


if __name__ == "__main__":
    for path, text in stale().items():
        files.write(path, text)
        print(f"Written: {names.shown(path)}")
