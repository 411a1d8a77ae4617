"""`zoo train | list | info | predict | evaluate | ...`. What a command needs it imports itself: `zoo list` is quick."""

import argparse
import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path

from zoo import __version__, files
from zoo.errors import ZooError
from zoo.names import printable
from zoo.registry import did_you_mean, recipes
from zoo.serving import options as serving_options
from zoo.startup import quiet_tensorflow


def main(arguments=None) -> None:
    """Runs a command; ends the process with code 2 and one line for anything the user can put right."""
    parser = _parser()
    options, more = parser.parse_known_args(arguments)
    if more and ("inputs" not in options or any(word.startswith("-") for word in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    elif more:
        options.inputs += more  # `zoo predict NAME --json TEXT`: argparse takes no list in two pieces
    quiet_tensorflow()
    try:
        options.command(options)
    except ZooError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `zoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in files.NO_SPACE:  # of standard output, or of a temporary file
            raise
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zoo", description="A model zoo for sequence mappings on Keras / TensorFlow.")
    parser.add_argument("--version", action="version", version=f"zoo {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(function, help_text, loads=False):
        command = commands.add_parser(function.__name__.strip("_"), help=help_text, description=help_text)
        command.set_defaults(command=function)
        if loads:
            what = "load whatever the graph holds, and read what the card says, whoever made them: see SECURITY.md"
            command.add_argument("--trusted", action="store_true", help=what)
        return command

    command = add(_train, "Run a recipe: data, training, export; `zoo train NAME --help` shows its flags.")
    command.add_argument("recipe", metavar="NAME", help="of a recipe")
    command.add_argument("flags", nargs=argparse.REMAINDER, metavar="--flag ...", help="of the recipe")
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.epilog = "recipes:\n" + "\n".join(f"  {name:22}  {_title(path)}" for name, path in recipes().items())

    command = add(_list, "List the builders and the trained artefacts.")
    command.add_argument("pattern", nargs="?", default="*", help="shell pattern of names (default: all)")
    command.add_argument("--mapping", help="one-to-one, one-to-many, many-to-one or many-to-many")
    command.add_argument("--json", action="store_true", help="print JSON")

    command = add(_info, "Describe a builder or an artefact.")
    command.add_argument("name", help="name of a builder or an artefact, or path of an artefact")
    command.add_argument("--json", action="store_true", help="print JSON: of an artefact, its card")

    command = add(_predict, "Answer texts or files: given, from a list, or from standard input, one a line.", loads=True)
    command.add_argument("name", help="name or path of an artefact")
    what = (
        "texts, paths of files, JSON lists of numbers, or JSON objects {input: value} for several inputs; none: standard input"
    )
    command.add_argument("inputs", nargs="*", metavar="input", help=what)
    command.add_argument("--file", type=Path, help="read the inputs from this file, one a line")
    command.add_argument("--signature", default="serving_default", help="see `zoo info NAME` (default: %(default)s)")
    command.add_argument("--version", type=int, help="version of the artefact (default: the newest)")
    command.add_argument("--json", action="store_true", help="print one JSON object a line")
    what = "also write the file that the model gives, such as audio, to this path; for several inputs, into this directory"
    command.add_argument("--out", metavar="FILE", help=what)
    command.add_argument(
        "--stream", action="store_true", help="of a language model: write what follows the one input as it comes"
    )
    command.add_argument("--plot", type=Path, help="also draw where the model looks at the one input, to this .png, .svg, ...")

    command = add(_evaluate, "Repeat the score of an artefact's card on its test data, without training.", loads=True)
    command.add_argument("name", help="name or path of an artefact")
    command.add_argument("--data-dir", type=Path, help="directory of prepared data (default: as the recipe)")
    command.add_argument("--version", type=int, help="version of the artefact (default: the newest)")
    command.add_argument("--json", action="store_true", help="print JSON")

    what = "Publish an artefact's next version: the same weights, exported anew, if the scores of its card do not move."
    command = add(_renew, what, loads=True)
    command.add_argument("name", help="name or path of an artefact")
    command.add_argument("--data-dir", type=Path, help="directory of prepared data (default: as the recipe)")
    command.add_argument("--to", type=Path, default=Path("saved_models"), help="where to (default: %(default)s)")

    command = add(_publish, "Copy the artefact of a run to saved_models/NAME/<next version>.")
    command.add_argument("run", type=Path, help="directory of a run: runs/NAME/RUN")
    command.add_argument("--to", type=Path, default=Path("saved_models"), help="where to (default: %(default)s)")

    what = "Answer requests by TensorFlow Serving's REST and gRPC protocols; for a laptop and for tests (see docs/serving.md)."
    command = add(_serve, what, loads=True)
    command.add_argument("names", nargs="*", metavar="name", help="published artefacts (default: all)")
    command.add_argument("--model-config-file", type=Path, help="TensorFlow Serving's models.config, in place of names")
    serving_options.add_flags(command)

    what = "Write what TensorFlow Serving, Docker Compose and Kubernetes need to serve the artefacts; see docs/serving.md."
    command = add(_deploy, what, loads=True)
    command.add_argument("names", nargs="*", metavar="name", help="published artefacts (default: all)")
    command.add_argument("--canary", action="store_true", help="serve the two newest versions, labelled stable and canary")
    command.add_argument("--image", help="of TensorFlow Serving (default: a pinned one)")
    what = "where to, beside saved_models/ (default: %(default)s)"
    command.add_argument("--output", type=Path, default=Path("deploy"), metavar="DIR", help=what)
    return parser


def _train(options):
    there = recipes()
    if options.recipe not in there:
        raise ZooError(f"There is no recipe {options.recipe!r}. {did_you_mean(options.recipe, there)}")
    from zoo import config

    spec = importlib.util.spec_from_file_location(f"recipe_{options.recipe}", there[options.recipe])
    sys.modules[spec.name] = recipe = importlib.util.module_from_spec(spec)  # where tyro looks for its comments
    spec.loader.exec_module(recipe)
    config.run(recipe.main, options.flags, program=f"zoo train {options.recipe}")


def _title(recipe: Path) -> str:
    """The first line of a recipe: what it does."""
    with recipe.open(encoding="utf-8") as file:
        return file.readline().strip().strip('"')


def _list(options):
    from fnmatch import fnmatch

    from zoo import registry
    from zoo.artefacts import card, find

    builders = [registry.model_info(name) for name in registry.list_models(options.pattern, options.mapping)]
    mapping = registry.checked_mapping(options.mapping)
    cards = card.readable(path for name, path in find.artefacts().items() if fnmatch(name, options.pattern))
    cards = [(path, facts) for path, facts in cards if mapping in (None, facts["mapping"])]
    if options.json:
        models = [{"name": info.name, "mapping": info.mapping, "summary": info.summary} for info in builders]
        print(json.dumps({"builders": models, "artefacts": [{"path": str(path), **facts} for path, facts in cards]}, indent=1))
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table("builder", "mapping", "what it does", title="Builders: zoo.create_model(NAME, ...)", box=box.SIMPLE)
    for info in builders:
        table.add_row(info.name, info.mapping.replace("_", "-"), info.summary)
    console.print(table)
    table = Table("artefact", "version", "mapping", "score", "size", "builder", box=box.SIMPLE)
    table.title = "Artefacts: zoo.load(NAME)"
    for path, facts in cards:
        name, value, _ = card.first_score(facts)
        mapping, size = facts["mapping"].replace("_", "-"), f"{facts['bytes'] / 1e6:.1f} MB"
        row = path.parent.name, path.name, mapping, f"{name} {value}", size, facts["task"]["builder"]
        table.add_row(*(escape(printable(text)) for text in row))  # else a score named "[red]" colours the rest
    console.print(table)


def _info(options):
    from zoo import registry
    from zoo.artefacts import card, find

    if options.name in registry.list_models():
        info = registry.model_info(options.name)
        if options.json:
            print(json.dumps(vars(info), indent=1))
        else:
            print(f"{info.name} ({info.mapping.replace('_', '-')}), {info.module}\n\n{info.doc}\n\nDefaults:")
            print("\n".join(f"  {key} = {default or '(required)'}" for key, default in info.arguments.items()))
        return
    directory = find.artefact(options.name)
    facts = card.read(directory)
    text = (
        json.dumps(facts, indent=1, ensure_ascii=False)
        if options.json
        else f"{card.render(facts, options.name)}\nPath: {directory}"
    )
    print(printable(text))


def _predict(options):
    from zoo.artefacts import card, find, lines, values

    # what is wrong with the command is known at once, before TensorFlow is imported
    signatures = card.read(find.artefact(options.name, options.version))["signatures"]
    if options.signature not in signatures:
        raise ZooError(f"There is no signature {options.signature!r}; there are {', '.join(sorted(signatures))}.")
    names = signatures[options.signature]["inputs"]
    items = [lines.raw_input(number, line, names) for number, line in enumerate(lines.read(options.inputs, options.file), 1)]
    if options.plot:
        _check_plot(options, signatures, len(items))
    out = lines.Out(options.out, len(items), signatures[options.signature]["outputs"]) if options.out else None
    if not items:
        return
    if options.stream:
        _stream(options, signatures, items)
        return
    from zoo.artefacts import load as loading

    model = loading.load(options.name, options.version, trusted=options.trusted)
    for start in range(0, len(items), 256):  # so that a long file answers as it goes
        for number, answer in enumerate(model.predict(items[start : start + 256], signature=options.signature), start + 1):
            if options.json or not _in_colour(items[number - 1], answer):
                text = json.dumps(values.as_json(answer), ensure_ascii=False) if options.json else lines.line(answer)
                print(printable(text), flush=True)
            if out:
                out.write(number, answer)
    if options.plot:
        from zoo import plots

        plots.attention(model, items[0], options.plot)
        print(f"Picture: {options.plot}", file=sys.stderr)  # beside the answers, which another program may read
    if out:
        out.finish()


def _stream(options, signatures, items):
    """Writes what a language model says after one prompt, piece by piece."""
    from zoo.artefacts import streaming

    if options.json or options.out or options.plot or options.signature != "serving_default" or len(items) != 1:
        raise ZooError("--stream writes what follows one input, and nothing else: leave out the other flags and inputs.")
    if not set(streaming.NEEDED) <= set(signatures):
        raise ZooError(f"--stream needs a language model; {options.name} has no signature {' and '.join(streaming.NEEDED)}.")
    from zoo.artefacts import load as loading

    for piece in loading.load(options.name, options.version, trusted=options.trusted).stream(items[0]):
        print(printable(piece), end="", flush=True)
    print()


def _in_colour(item, answer) -> bool:
    """Prints a text with its labelled words in colour, where the answer has some and a terminal shows it; whether it did."""
    if not (sys.stdout.isatty() and isinstance(item, str) and {"tokens", "tags"} <= answer.keys()):
        return False
    from rich.console import Console

    from zoo.artefacts import tagged

    Console(highlight=False, soft_wrap=True).print(tagged.coloured(printable(item), answer))
    return True


def _check_plot(options, signatures, count):
    if "attention" not in signatures:
        raise ZooError(f"--plot draws the signature 'attention'; {options.name} has only {', '.join(sorted(signatures))}.")
    if options.signature not in ("serving_default", "attention"):
        raise ZooError("--plot draws the signature 'attention'; leave out --signature.")
    if count != 1:
        raise ZooError(f"--plot draws one input, not {count}.")
    from zoo import plots

    plots.check_path(options.plot)


def _evaluate(options):
    from zoo.artefacts import card, find

    find.artefact(options.name, options.version)
    from zoo.artefacts import load as loading
    from zoo.artefacts import rescore

    model = loading.load(options.name, options.version, trusted=options.trusted)
    with contextlib.redirect_stdout(sys.stderr):  # what is said of the data, and the progress, are no part of the answer
        test, measure = rescore.test_and_measure(model.card, options.data_dir, trusted=options.trusted)
        scores = measure(model, test)
    if options.json:
        print(json.dumps(scores, indent=1))
        return
    for name, score in scores.items():
        said = model.card["scores"].get(name)  # own data may have changed since; an older card has not all scores of today
        was = f"the card says {card.number(said['value'])}" if said else "the card does not say"
        print(printable(f"{name}: {card.number(score['value'])} ({card.interval(score)}, n {score['n']:,}); {was}"))


def _renew(options):
    from zoo.artefacts import card, find

    facts = card.read(find.artefact(options.name))
    from zoo.artefacts import rescore
    from zoo.artefacts.renew import renew

    test, _ = rescore.test_and_measure(facts, options.data_dir, trusted=options.trusted)
    renew(options.name, test=test, root=options.to, trusted=options.trusted)


def _publish(options):
    from zoo.artefacts.publish import publish

    publish(options.run, options.to)


def _serve(options):
    try:
        from zoo.serving import models, server
    except ModuleNotFoundError as error:
        raise ZooError(f'zoo serve needs {error.name}: pip install "sequence-zoo[serve]".') from error
    import asyncio

    from zoo.artefacts import find

    if options.model_config_file and options.names:
        raise ZooError("Give names or --model-config-file, not both.")
    if options.model_config_file:
        configs = tuple(models.read_config(options.model_config_file))
    else:
        bases = find.bases(options.names)
        configs = tuple(models.ModelConfig(name, base, trusted=options.trusted) for name, base in bases.items())
    settings = serving_options.from_flags(options, configs)
    print(f"Loading {', '.join(config.name for config in configs)} ...", flush=True)

    def started(running):
        rest = f"http://{settings.address(running.port)}/v1/models/NAME:predict"
        print(f"REST at {rest}, gRPC at {settings.address(running.grpc_port)}")
        print("This server is for development and tests; docs/serving.md leads to TensorFlow Serving.", flush=True)

    asyncio.run(server.run(settings, started))
    os._exit(0)  # Python itself would wait for what still computes after the grace


def _deploy(options):
    from zoo.serving import deploy

    def say(name):
        print(f"Timing {name} at batches of 1 to {deploy.LARGEST} ...", flush=True)

    image = {"image": options.image} if options.image else {}
    options_ = {"canary": options.canary, "trusted": options.trusted, "progress": say, **image}
    for path in deploy.write(options.output, options.names, **options_):
        print(path)
