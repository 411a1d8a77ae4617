"""A trained task becomes an artefact: saved, scored as it is, hashed, described."""

import json
import platform
import shlex
import time
from pathlib import Path

import keras
import tensorflow as tf

from zoo import config as configs
from zoo import files, names
from zoo.artefacts import card as cards
from zoo.artefacts import find, findings, lineage, trust, values
from zoo.artefacts import load as loading
from zoo.artefacts.examples import own_examples
from zoo.artefacts.publish import is_publishable, publish
from zoo.artefacts.save import save
from zoo.baselines import baselines
from zoo.data.labels import renumbered
from zoo.errors import ZooError
from zoo.training import state


def export(task, run, *, test):
    """Makes the artefact of a finished run, at RUN/artefact.

    Args:
        task: the trained `Task`.
        run: the `Run` that `zoo.fit` gave.
        test: the raw test split, its class numbers those of the data's labels.

    Returns:
        The loaded artefact, as `zoo.load` gives it.

    Raises:
        ZooError: if the data's classes are not the task's, the target cannot be written, or with `--publish` the artefact may
            not be published.
    """
    target = run.path / "artefact"
    with state.hold(run.path), files.new_directory(target) as directory:
        test, train, validation = (
            renumbered(part, run.data.labels, task.labels) for part in (test, run.data.train, run.data.validation)
        )
        if run.data.source == "own":
            task.examples = own_examples(task, validation)
        facts = save(task, directory)
        facts |= _provenance(task, run)
        model = answered(directory, facts, task, test)
        facts["baselines"] = baselines(task, train, test)
        facts["pictures"] = _drawn(model, task, run, directory / "pictures")
        write_card(directory, facts, names.shown(target))
    _print_scores(facts)
    example, where = task.examples[0], names.shown(target)
    argument = {str: shlex.quote(str(example)), bytes: "FILE"}.get(type(example))
    predict = f"  zoo predict {where} {argument}\n" if argument else ""
    print(f"Artefact: {where} ({facts['bytes'] / 1e6:.1f} MB)")
    if run.data.source == "own":
        print(f"Its card shows {len(task.examples)} of your validation examples: look at them before you give it away.")
    print(f"\nNext:\n{predict}  zoo info {where}")
    if is_publishable(run.data.source, run.config.name) and not run.config.max_steps:
        print(f"  zoo publish {names.shown(run.path)}")
    try:
        trust.check(target)
    except ZooError as error:  # an op of a user's own family: better known now than by those who load it
        print(f"Others have to trust this artefact: {names.printable(str(error))}")
    if run.config.publish:
        try:
            publish(run.path)
        except ZooError as error:
            raise ZooError(f"{error} The artefact is whole: zoo publish {names.shown(run.path)}") from error
    return loading.load(target, trusted=True)


def _print_scores(facts):
    """The first score beside those of the baselines, and what has to be said of it."""
    first, value = next(iter(facts["scores"].items()))
    others = "".join(f", {name}: {cards.number(score['value'])}" for name, score in facts["baselines"].items())
    print(
        f"{first} on {facts['data']['test']}: {cards.number(value['value'])} ({cards.interval(value)}){names.printable(others)}"
    )
    for remark in findings.remarks(facts):
        rule = "*" * 100
        print(names.printable(f"{rule}\n{remark}\n{rule}" if findings.is_grave(remark) else remark))


def answered(directory, facts, task, test):
    """Adds scores and answered examples to the card of an artefact; gives it loaded."""
    write_card(directory, facts)
    model = loading.load(directory, trusted=True)
    facts["scores"] = scores = task.measure(model, test)
    if confusion := getattr(scores, "confusion", None):
        facts["confusion"] = confusion
    facts["examples"] = [
        {"input": values.as_json(example), "output": values.as_json(answer)}
        for example, answer in zip(task.examples, model.predict(list(task.examples)), strict=True)
    ]
    return model


def _provenance(task, run) -> dict:
    """The part of a card that says what was trained, how, on what."""
    from zoo.registry import model_info
    from zoo.training.fit import hardware

    config, data = run.config, run.data
    info = model_info(task.model.built_by.name)
    return {
        "name": run.name,
        "summary": info.summary,
        "mapping": info.mapping,
        "labels": list(map(str, task.labels or data.labels)),
        "task": {"module": type(task).__module__, "class": type(task).__name__, **task.config()},
        "data": {
            "loader": data.loader,
            "source": data.source,
            "description": data.description,
            "terms": lineage.joined(data.terms, task.terms, run.terms),
            "sizes": data.sizes,
            "test": f"the {data.sizes['test']:,} test examples of the {data.source} data",
            "arguments": data.arguments,
        },
        "run": {
            "command": configs.command(config),
            "config": configs.identity(config),
            "began_with": run.began_with,
            "seed": config.seed,
            "max_steps": config.max_steps,
            "epochs": len(run.log),
            "monitor": str(run.monitor),
            "best": run.best,
            "best_epoch": run.best_epoch,
            "seconds": round(run.seconds, 1),
            "hardware": hardware(),
            "date": time.strftime("%Y-%m-%d"),
        },
        "versions": versions(),
        "scores": {},
        "examples": [],
    }


def versions() -> dict:
    """Of what an artefact is made with."""
    return {"tensorflow": tf.__version__, "keras": keras.__version__, "python": platform.python_version()}


def write_card(directory: Path, facts: dict, name: str | None = None) -> None:
    """Writes the card of a directory's files and, once there are scores, its rendering; `name` as in `cards.render`."""
    facts["files"] = cards.hashes(directory)
    files.write(directory / find.CARD, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    if facts["scores"]:
        files.write(directory / "README.md", cards.render(facts, name))


def _drawn(model, task, run, directory: Path) -> dict[str, str]:
    """Draws the pictures of the card: title → path. What cannot be drawn is left out, and that is said."""
    directory.mkdir()
    drawn = {}
    try:
        for title, file in task.pictures(model, run, directory):
            drawn[title] = f"{directory.name}/{file}"
    except ZooError as error:
        if isinstance(error.__cause__, OSError):  # the disk is full: no artefact either
            raise
        print(f"Pictures left out: {names.printable(str(error))}")
    return drawn
