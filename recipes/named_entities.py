"""Named entities: many-to-many, tweets and Wikipedia, words and characters, a bidirectional LSTM and a CRF.

python recipes/named_entities.py    → 2 busy CPU cores, 25 minutes, span F1 0.6839 on 1,057 test texts, 0.6739 by a linear CRF
`python benchmarks/models/named_entities.py` scores a linear CRF of hand-made features beside it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class Config(zoo.RunConfig):
    """Trains a tagger of persons, places, organisations and other names, or of whatever a file of your own has labels for."""

    family: ClassVar[str] = "Tagger"

    # The recurrence that reads the words.
    cell: Literal["rnn", "gru", "lstm", "transformer"] = "lstm"
    # Width of one direction.
    units: int = 128
    # Depth of the stack.
    layers: int = 1
    # Length of the word vectors.
    embedding_dim: int = 100
    # Filters over three characters each: how a word is spelt.
    filters: int = 64
    # Word ids at most: first the words of the training texts, then the most frequent ones of film reviews.
    vocabulary_size: int = 24_000
    # Share of features dropped in training.
    dropout: float = 0.5
    # Share of words taken for unknown in training: most names of a new text were never seen.
    word_dropout: float = 0.1
    # Film reviews whose words' neighbours give the word vectors a start, beside the training texts (0: these alone).
    reviews: int = 25_000
    # A file of your own with a word and its label on each line and blank lines between sentences, in place of the tweets.
    conll: Path | None = None
    # Its column with the label, from 0; a negative number counts from the last.
    tag_column: int = -1
    # Its column with the word.
    token_column: int = 0
    # Share of texts whose capitals are taken away in training: people type without them.
    small_letters: float = 0.1
    # Validation rises for that long.
    usual_epochs: ClassVar[int] = 30
    # Texts in a batch of the longest; one of tweets holds five times as many.
    batch_size: int = 8
    # Twice the usual: the network is small.
    usual_learning_rate: ClassVar[float] = 2e-3
    # A mean over the last tenth of the steps does not hang on the last few batches (Polyak & Juditsky 1992).
    average: float = 0.1


def main(config: Config):
    """Data → task → fit → export."""
    if config.conll:
        columns = {"tag_column": config.tag_column, "token_column": config.token_column}
        texts = zoo.data.tagged_words(config, path=config.conll, **columns)
    else:
        texts = zoo.data.tweets_and_wikipedia(config)
    if config.weights:
        task = zoo.load_task(config.weights)
        task.check_names(texts.labels)
    else:
        task = new_task(config, texts)
    run = zoo.fit(task, texts, config)
    return zoo.export(task, run, test=texts.test)


def new_task(config, texts):
    """A tagger with a vocabulary of the training split and of film reviews, and fresh weights."""
    more = None
    if config.reviews and texts.source == "real":
        reviews = zoo.data.imdb_reviews(config)
        if reviews.source == "real":
            more = reviews.train.take(config.reviews).map(lambda text, *_: text)
    options = {"size": config.vocabulary_size, "more": more}
    tokens = zoo.Tagger.codecs["tokens"].fit(texts.train.map(lambda text, *_: text), **options)
    model = zoo.create_model("tagger", config, vocabulary_size=tokens.size, types=len(texts.labels))
    task = zoo.Tagger(model, tokens, texts.labels, examples=zoo.data.drawn_entities.examples())
    if more is not None:
        task.more_texts = more
        task.terms = (
            "word vectors began with the neighbours of words in IMDB's film reviews (Maas et al. 2011, licence not stated)"
        )
    return task


if __name__ == "__main__":
    zoo.run(main)
