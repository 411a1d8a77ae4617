"""The next version of an artefact: the same weights under the kernels and the export of today."""

import math
import shutil
import tempfile
from pathlib import Path

from zoo.artefacts import card as cards
from zoo.artefacts import find
from zoo.artefacts.export import answered, versions, write_card
from zoo.artefacts.publish import publish
from zoo.artefacts.rebuild import load_task
from zoo.artefacts.save import save
from zoo.errors import ZooError


def renew(name, *, test, root: Path = Path("saved_models"), trusted: bool = False) -> Path:
    """Publishes the next version of an artefact: the same weights under the kernels and the export of today.

    Args:
        name: name or path of an artefact.
        test: the raw test split that its card speaks of.
        root: where to.
        trusted: see `zoo.load`.

    Raises:
        ZooError: if a score moves by more than a tenth of its interval, or the artefact may not be published.
    """
    old = find.artefact(name)
    task, facts = load_task(old, trusted=trusted), cards.read(old)
    before = facts["scores"]
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        facts |= {**save(task, directory), "versions": versions(), "scores": {}}
        answered(directory, facts, task, test)
        for what, was in before.items():
            now = facts["scores"].get(what, {}).get("value", math.nan)
            print(f"{what}: {cards.number(now)}, was {cards.number(was['value'])}")
            if not abs(now - was["value"]) <= (was["high"] - was["low"]) / 10:
                raise ZooError(f"The {what} of {name} moved from {was['value']} to {now}; nothing was published.")
        if (old / "pictures").is_dir():
            shutil.copytree(old / "pictures", directory / "pictures")
        write_card(directory, facts)
        return publish(directory, root)
