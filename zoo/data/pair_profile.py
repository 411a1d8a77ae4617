"""What pairs of texts look like: how many there are, and whether they are languages, few words or strings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf  # else not here: a person's own file is read before TensorFlow is imported

FEW = 30_000  # pairs; a model for the 100,000 and more of Tatoeba learns fewer by heart
OFTEN = 10  # times; a word or a piece that comes as often can be learnt as one
# In 100 sentences of a language a fifth of all words come that often, in 2,000 half of them; in lists of words, codes, random
# strings and scripts without spaces next to none.
LEAST_RECURRING = 0.1
# In a language most of the distinct words are rarer, however large the corpus (Zipf's law); in dates or numerals none are.
LEAST_RARE = 0.3


@dataclass(frozen=True)
class SideProfile:
    """What the texts of one side look like.

    Args:
        recurring: the share of all words that come often; 1 where there are no words.
        rare: the share of the distinct words that do not.
    """

    recurring: float
    rare: float

    @property
    def is_characters(self) -> bool:
        """Whether hardly a word comes often: then nothing larger than a character does that means anything."""
        return self.recurring < LEAST_RECURRING

    @property
    def is_language(self) -> bool:
        """Whether there are words that come often, and many others."""
        return not self.is_characters and self.rare >= LEAST_RARE

    def __str__(self):
        return "single characters" if self.is_characters else "a language" if self.is_language else "few words or none"


@dataclass(frozen=True)
class PairProfile:
    """What pairs of texts look like.

    Args:
        pairs: how many there are to learn from.
        sides: of the source and of the target.
    """

    pairs: int
    sides: tuple[SideProfile, SideProfile]

    @property
    def is_few(self) -> bool:
        """Whether they are too few for a model of the usual size."""
        return self.pairs < FEW

    @property
    def is_translation(self) -> bool:
        """Whether both sides are of a language; else an answer is right or wrong to the letter."""
        return all(side.is_language for side in self.sides)

    def __str__(self):
        source, target = self.sides
        return f"{self.pairs:,} pairs to learn from; sources: {source}; targets: {target}."


# Tatoeba's Spanish and English, and their sample.
TATOEBA = PairProfile(110_000, (SideProfile(0.9, 0.8), SideProfile(0.9, 0.8)))


def look(train: tf.data.Dataset) -> PairProfile:
    """Looks at the training split: (source, target), string scalars, unbatched."""
    from zoo.preprocessing.subwords import word_counts

    sides = []
    for side in (0, 1):
        counts = list(word_counts(train.map(lambda *pair, side=side: pair[side])).values())
        often = [count for count in counts if count >= OFTEN]
        recurring, rare = (sum(often) / sum(counts), 1 - len(often) / len(counts)) if counts else (1.0, 0.0)
        sides.append(SideProfile(recurring, rare))
    return PairProfile(int(train.cardinality()), tuple(sides))
