"""Drawn dialogues in the form of a play: the built-in sample of `tiny_shakespeare`."""

import random

DESCRIPTION = "Speeches put together of a few hundred words, with the speaker's name above each."

SPEAKERS = ("ANNA", "BRUNO", "CLERK", "DUKE OF ELM", "ELLEN", "First Guard")
TITLES = ("my lord", "good sir", "sweet friend", "dear lady", "old man")
SUBJECTS = ("The king", "My brother", "The night", "Your letter", "The sea", "This house", "Our captain", "The moon")
VERBS = ("forgets", "remembers", "fears", "follows", "leaves", "guards", "praises", "mourns")
OBJECTS = ("the crown", "his daughter", "the long war", "an open door", "the silent town", "a golden ring", "her name")
ENDS = ("before the morning", "without a word", "in winter", "for ever", "as I told you", "when the bell rings")
CALLS = ("Speak", "Come in", "Stay", "Farewell", "Be patient", "Look there")


def drawn_plays(train: int = 800, validation: int = 80, test: int = 80, seed: int = 0) -> dict[str, str]:
    """Draws the sample: split → a text of so many speeches, about 100 characters each.

    Args:
        train, validation, test: number of speeches. Each split has random numbers of its own.
        seed: of the random generator.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    return {name: _text(random.Random(f"{seed} {name}"), size) for name, size in sizes.items()}


def _text(rng, speeches: int) -> str:
    found, speaker = [], ""
    for _ in range(speeches):
        speaker = rng.choice([name for name in SPEAKERS if name != speaker])
        lines = [_line(rng) for _ in range(rng.randint(1, 3))]
        found.append("\n".join([f"{speaker}:", *lines]))
    return "\n\n".join(found) + "\n"


def _line(rng) -> str:
    if rng.random() < 0.3:
        return f"{rng.choice(CALLS)}, {rng.choice(TITLES)}{rng.choice('.!?')}"
    return f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)} {rng.choice(ENDS)}."
