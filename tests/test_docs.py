"""The documents: their numbers are those of the cards and benchmarks, their links and commands lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

from zoo.errors import ZooError

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_numbers_are_those_of_cards_and_benchmarks(generate):
    assert not [str(path.relative_to(ROOT)) for path in generate.stale()], "python docs/generate.py writes them anew"


def test_a_number_changed_by_hand_is_found(generate):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    changed = readme.replace("**0.9", "**0.8")
    assert changed != readme
    assert generate.generated(changed, ROOT) == readme


def test_links_are_those_of_the_document_and_the_newest_version(generate):
    directory, card = generate.published()["spanish_to_english"]
    text = generate.generated("<!-- table: picture spanish_to_english attention -->\n<!-- end -->", ROOT / "docs" / "tasks")
    assert f"](../../saved_models/spanish_to_english/{directory.name}/pictures/attention.png)" in text
    assert generate.generated(text, ROOT / "docs" / "tasks") == text
    assert f"{card['parameters']:,} parameters" in generate.card(ROOT, "spanish_to_english")


def test_a_model_without_a_page_or_a_time_is_in_the_table_too(generate, monkeypatch):
    directory, card = generate.published()["mnist_digits"]
    monkeypatch.setattr(generate, "published", lambda: {"new_task": (directory.parent / "99", {**card, "name": "new_task"})})
    line = generate.tasks(ROOT).splitlines()[2]
    assert "| [`new_task`](saved_models/mnist_digits/99/README.md) |" in line
    assert line.endswith("| – |")


@pytest.mark.parametrize(
    "marker", ["<!-- table: nothing -->\n<!-- end -->", "<!-- table: soak -->\n<!-- table: soak -->\n<!-- end -->"]
)
def test_a_marker_that_says_nothing_is_refused(generate, marker):
    with pytest.raises(ZooError, match="has no end, or is none of tasks, card"):
        generate.generated(f"<!-- table: {marker}", ROOT)


def test_the_readme_is_short_and_begins_with_the_two_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    commands = [line.strip() for line in lines[:15] if line.startswith("    ")]
    install = "python3 -m venv .venv && .venv/bin/pip install -e"
    assert commands == [
        f"{install} . && .venv/bin/python recipes/imdb_sentiment.py",
        f'{install} ".[test]" && .venv/bin/pytest',
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_commands_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[\w-]*)?\)", text):
        file, anchor = (path.parent / target[0] if target[0] else path), target[1]
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor[1:] in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], target
    for script in re.findall(r"python ((?:recipes|benchmarks|docs)/[\w/]+\.py)", text.replace("NAME.py", "")):
        assert (ROOT / script).is_file(), script
