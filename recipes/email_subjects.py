"""Subject lines of e-mails: many-to-many, AESLC, an encoder and a decoder that may copy.

python recipes/email_subjects.py    → 2 CPU cores
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import zoo


@dataclass(frozen=True, kw_only=True)
class Config(zoo.RunConfig):
    """Trains a summarizer on AESLC's e-mails and their subject lines, or on texts and summaries of your own."""

    family: ClassVar[str] = "Summarizer"

    # The recurrence of encoder and decoder.
    cell: Literal["rnn", "gru", "lstm", "transformer"] = "gru"
    # Width of the decoder, and of each direction of the encoder.
    units: int = 192
    # Depth of the decoder: the second layer reads what the first one has looked up in the text.
    layers: int = 2
    # Depth of the encoder.
    encoder_layers: int = 1
    # Length of the token vectors; the summary's are also the output layer.
    embedding_dim: int = 160
    # Standard deviation of the text's token vectors at the start: so large that the encoder tells tokens apart from the first
    # step on; of a transformer there is none.
    source_scale: float = 0.5
    # How the decoder looks at the text.
    attention: Literal["multiplicative", "additive"] = "multiplicative"
    # Whether tokens of the text are copied: most words of a subject line stand in the mail, and many are seen nowhere else.
    copy: bool = True
    # Whether it is known what was looked at before for copying, so that no phrase is copied twice.
    coverage: bool = True
    # Sub-words of texts and summaries, one vocabulary for both.
    vocabulary_size: int = 5_000
    # Whether texts are read in lower case: 63 % of the words of AESLC's subject lines stand in the mail then, else 38 %. The
    # summary is written with the capitals of the text.
    lower: bool = True
    # Sub-words read of a text; one mail of eleven has more, and says what it is about before.
    max_tokens: int = 400
    # Sub-words of a summary; one subject line of 200 has more.
    longest: int = 32
    # Share of features dropped in training: there are 14,000 mails, and millions of weights.
    dropout: float = 0.4
    # Share of the probability that a target gives to all other tokens alike.
    label_smoothing: float = 0.1
    # Exponent of the length in beam search's ranking (default: the best of some on validation, after training).
    length_penalty: float | None = None
    # A text file of your own, "text<TAB>summary" on each line, in place of AESLC.
    pairs: Path | None = None
    # By then the training mails are known by heart.
    usual_epochs: ClassVar[int] = 8
    # Mails in a batch of the longest; one of short mails holds five times as many.
    batch_size: int = 16
    # Half as much again as usual, for batches of short mails are large.
    usual_learning_rate: ClassVar[float] = 1.5e-3
    # A mean over the last steps of training does not hang on the last few batches (Polyak & Juditsky 1992).
    average: float = 0.1


def main(config: Config):
    """Data → task → fit → export."""
    mails = zoo.data.sentence_pairs(config, path=config.pairs) if config.pairs else zoo.data.email_subjects(config)
    task = zoo.load_task(config.weights) if config.weights else new_task(config, mails)
    run = zoo.fit(task, mails, config)
    return zoo.export(task, run, test=mails.test)


def new_task(config, mails):
    """A summarizer with a vocabulary of the training split, texts and summaries, and fresh weights."""
    texts = mails.train.map(lambda text, _: text).concatenate(mails.train.map(lambda _, summary: summary))
    options = {"size": config.vocabulary_size, "limit": config.max_tokens, "lower": config.lower}
    words = zoo.preprocessing.SubWords.fit(texts, **options)
    sizes = {"source_size": words.size, "target_size": words.size}
    model = zoo.create_model("sequence_to_sequence", config, **sizes, coverage=config.copy and config.coverage)
    return zoo.Summarizer(
        model,
        words,
        longest=config.longest,
        label_smoothing=config.label_smoothing,
        length_penalty=config.length_penalty,
    )


if __name__ == "__main__":
    zoo.run(main)
