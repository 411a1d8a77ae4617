"""Drawn sentences with names in them: the built-in sample of `tweets_and_wikipedia`, and examples of nobody's."""

import re

from zoo.data.drawn_commands import SYLLABLES
from zoo.data.spans import TaggedText
from zoo.data.splits import distinct, draw_splits

DESCRIPTION = "Sentences put together from phrases and names; the names are made of syllables, and hardly one occurs twice."
SENTENCES = (
    "{PER} was born in {LOC} in 19{year}.",
    "{PER}, who works for {ORG}, moved to {LOC} last year.",
    "The {ORG} opened an office in {LOC}.",
    "I met {PER} and {PER} at the station today :)",
    "RT @{user}: {ORG} will hire {year} people in {LOC}!",
    "It rained all day, and nobody from {LOC} came.",
    "Good morning! What a day.",
    "The river flows through {LOC} and {LOC}.",
    "{ORG} and {ORG} agreed, said {PER}.",
    "Thanks to {PER} for the {year} photos of the harbour",
    "I read the paper, then I went home.",
    "A shop in the village sells bread of {ORG}.",
)
AROUND = {
    "PER": (("", ""), ("Dr. ", ""), ("", " Jr.")),
    "LOC": (("", ""), ("North ", ""), ("", " City"), ("Lake ", "")),
    "ORG": (("", " Inc."), ("University of ", ""), ("", " Bank"), ("", " United")),
}


def drawn_entities(*, train: int = 600, validation: int = 200, test: int = 200, seed: int = 0) -> dict[str, list]:
    """Draws the sample: split → texts with spans; none occurs twice.

    Args:
        train, validation, test: number of sentences.
        seed: of the random generator.

    Raises:
        ValueError: see `draw_splits`.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    draw = distinct(_sentence, key=lambda sentence: sentence.text)
    return draw_splits(draw, sizes, most=10**6, things="sentences", source="the phrases make", seed=seed)


def _sentence(rng) -> TaggedText:
    parts = re.split(r"\{(\w+)\}", rng.choice(SENTENCES))
    filled = [
        (_value(rng, part), part if part in AROUND else None) if place % 2 else (part, None) for place, part in enumerate(parts)
    ]
    return TaggedText.join([*filled, (f" {rng.randint(0, 999)}" if len(parts) == 1 else "", None)], "sentences")


def _value(rng, kind: str) -> str:
    if kind == "year":
        return str(rng.randint(10, 99))
    name = "".join(rng.choices(SYLLABLES, k=rng.randint(2, 3)))
    if kind == "user":
        return name
    before, after = rng.choice(AROUND[kind])
    first = "".join(rng.choices(SYLLABLES, k=2)).title() + " " if kind == "PER" else ""
    return f"{before}{first}{name.title()}{after}"


def examples() -> list[str]:
    """Sentences with names of several kinds."""
    return [
        "Ada Lovelace lived in London and never worked for IBM.",
        "RT @nasa: Voyager 1 has left the solar system!",
        "The University of Ghent opened a library in Bruges in 1998.",
        "so tired today :( but Anna and I saw Arsenal win at Wembley",
        "Nobody came, and it rained.",
    ]
