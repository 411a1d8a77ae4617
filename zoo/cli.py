"""`zoo list | info | predict | evaluate | publish`. A module is imported by the command that needs it: `zoo list` is quick."""

import argparse
import json
import math
import os
import sys
from pathlib import Path

from zoo.errors import ZooError


def main(arguments=None) -> None:
    """Runs a command; ends the process with code 2 and one line for anything the user can put right."""
    parser = _parser()
    options, more = parser.parse_known_args(arguments)
    if more and ("text" not in options or any(word.startswith("-") for word in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    elif more:
        options.text += more  # `zoo predict NAME --json TEXT`: argparse takes no list in two pieces
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        options.command(options)
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `zoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zoo", description="A model zoo for sequence mappings on Keras / TensorFlow.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(function, help_text):
        command = commands.add_parser(function.__name__.strip("_"), help=help_text, description=help_text)
        command.set_defaults(command=function)
        return command

    command = add(_list, "List the builders and the trained artefacts.")
    command.add_argument("pattern", nargs="?", default="*", help="shell pattern of names (default: all)")
    command.add_argument("--mapping", help="one_to_one, one_to_many, many_to_one or many_to_many")
    command.add_argument("--json", action="store_true", help="print JSON")

    command = add(_info, "Describe a builder or an artefact.")
    command.add_argument("name", help="name of a builder or an artefact, or path of an artefact")
    command.add_argument("--json", action="store_true", help="print JSON: of an artefact, its card")

    command = add(_predict, "Answer texts: given, from a file, or from standard input, one a line.")
    command.add_argument("name", help="name or path of an artefact")
    command.add_argument("text", nargs="*", help="texts; none: standard input")
    command.add_argument("--file", type=Path, help="read the texts from this file, one a line")
    command.add_argument("--signature", default="serving_default", help="see `zoo info NAME` (default: %(default)s)")
    command.add_argument("--version", type=int, help="version of the artefact (default: the newest)")
    command.add_argument("--json", action="store_true", help="print one JSON object a line")

    command = add(_evaluate, "Repeat the score of an artefact's card on its test data, without training.")
    command.add_argument("name", help="name or path of an artefact")
    command.add_argument("--data-dir", type=Path, help="directory of prepared data (default: as the recipe)")
    command.add_argument("--version", type=int, help="version of the artefact (default: the newest)")
    command.add_argument("--json", action="store_true", help="print JSON")

    command = add(_publish, "Copy the artefact of a run to saved_models/NAME/<next version>.")
    command.add_argument("run", type=Path, help="directory of a run: runs/NAME/RUN")
    command.add_argument("--to", type=Path, default=Path("saved_models"), help="where to (default: %(default)s)")
    return parser


def _list(options):
    from fnmatch import fnmatch

    from zoo import card, registry

    builders = [registry.model_info(name) for name in registry.list_models(options.pattern, options.mapping)]
    cards = [(card.read(path), path) for name, path in card.artefacts().items() if fnmatch(name, options.pattern)]
    cards = [(facts, path) for facts, path in cards if options.mapping in (None, facts["mapping"])]
    if options.json:
        models = [{"name": info.name, "mapping": info.mapping, "summary": info.summary} for info in builders]
        print(json.dumps({"builders": models, "artefacts": [{"path": str(path), **facts} for facts, path in cards]}, indent=1))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table("builder", "mapping", "what it does", title="Builders: zoo.create_model(NAME, ...)", box=box.SIMPLE)
    for info in builders:
        table.add_row(info.name, info.mapping.replace("_", "-"), info.summary)
    console.print(table)
    table = Table("artefact", "version", "mapping", "score", "size", "builder", box=box.SIMPLE)
    table.title = "Artefacts: zoo.load(NAME)"
    for facts, path in cards:
        name, score = next(iter(facts["scores"].items()))
        mapping, size = facts["mapping"].replace("_", "-"), f"{facts['bytes'] / 1e6:.1f} MB"
        table.add_row(facts["name"], path.name, mapping, f"{name} {score['value']:.4f}", size, facts["task"]["builder"])
    console.print(table)


def _info(options):
    from zoo import card, registry

    if options.name in registry.list_models():
        info = registry.model_info(options.name)
        if options.json:
            print(json.dumps(vars(info), indent=1))
        else:
            print(f"{info.name} ({info.mapping.replace('_', '-')}), {info.module}\n\n{info.doc}\n\nDefaults:")
            print("\n".join(f"  {key} = {default or '(required)'}" for key, default in info.arguments.items()))
        return
    directory = card.find(options.name)
    facts = card.read(directory)
    print(json.dumps(facts, indent=1, ensure_ascii=False) if options.json else f"{card.render(facts)}\nPath: {directory}")


def _predict(options):
    from zoo import card

    card.find(options.name, options.version)  # a wrong name is known at once, before TensorFlow is imported
    texts = _texts(options)
    from zoo import loading

    model = loading.load(options.name, options.version)
    for start in range(0, len(texts), 256):  # so that a long file answers as it goes
        for answer in model.predict(texts[start : start + 256], signature=options.signature):
            print(json.dumps(answer, ensure_ascii=False) if options.json else _line(answer), flush=True)


def _texts(options) -> list[str]:
    if options.file and options.text:
        raise ZooError("Give either texts or --file, not both.")
    if options.text:
        return options.text
    try:
        content = options.file.read_text(encoding="utf-8") if options.file else sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ZooError(f"{options.file or 'standard input'} cannot be read as UTF-8 text: {error}.") from error
    return content.removesuffix("\n").split("\n") if content else []


def _line(answer: dict) -> str:
    """An answer as tab-separated fields, texts first."""

    def field(value):
        if isinstance(value, list):
            return " ".join(field(item) for item in value)
        return f"{value:.4f}" if isinstance(value, float) else str(value)

    return "\t".join(field(value) for value in sorted(answer.values(), key=lambda value: not isinstance(value, str)))


def _evaluate(options):
    from zoo import card

    card.find(options.name, options.version)
    from zoo import data, loading, metrics
    from zoo.config import RunConfig

    model = loading.load(options.name, options.version)
    facts = model.card["data"]
    loader = getattr(data, facts["loader"])
    if facts["source"] == "own":
        splits = loader(**facts["arguments"])
    else:
        splits = loader(RunConfig(data=facts["source"], data_dir=options.data_dir), **facts["arguments"])
    scores = getattr(metrics, model.card["metric"])(model, splits.test)
    if options.json:
        print(json.dumps(scores, indent=1))
        return
    for name, score in scores.items():
        was = model.card["scores"].get(name, {}).get("value", math.nan)  # own data may have changed since
        interval = f"{score['low']:.4f} to {score['high']:.4f}, n {score['n']:,}"
        print(f"{name}: {score['value']:.4f} ({interval}); the card says {was:.4f}")


def _publish(options):
    from zoo.publishing import publish

    publish(options.run, options.to)
