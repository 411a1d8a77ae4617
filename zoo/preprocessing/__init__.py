"""From raw inputs to tensors, in TensorFlow ops only, so that the same code runs in training and inside an export."""

from zoo.preprocessing.codec import Codec
from zoo.preprocessing.cooccurrence import cooccurrence_embeddings
from zoo.preprocessing.images import Images, at_least_one
from zoo.preprocessing.labels import Labels
from zoo.preprocessing.ngrams import NGrams
from zoo.preprocessing.normalisation import normalise
from zoo.preprocessing.sentences import sentence_rows, split_sentences
from zoo.preprocessing.subwords import SubWords
from zoo.preprocessing.words import Words, split_words

__all__ = [
    "Codec",
    "Images",
    "Labels",
    "NGrams",
    "SubWords",
    "Words",
    "at_least_one",
    "cooccurrence_embeddings",
    "normalise",
    "sentence_rows",
    "split_sentences",
    "split_words",
]
