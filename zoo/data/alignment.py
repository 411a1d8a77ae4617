"""Which word of a sentence is which of its translation, from the pairs alone; and the words and phrases that follow from it."""

import collections

import numpy as np

ROUNDS = 5
LONGEST_SENTENCE, LONGEST_PHRASE = 12, 3  # words; longer sentences tell little of single words and cost the most


def phrase_table(pairs: list[tuple[list[str], list[str]]], *, least: int = 4, share: float = 0.4) -> dict[str, str]:
    """Words and short phrases with their most usual translation.

    Args:
        pairs: the words of sentences and of their translations.
        least: how often a phrase and its translation must have been seen together.
        share: of the times that a phrase was seen with a translation, the least share of this one.

    Returns:
        Phrase → translation, words separated by spaces, most frequent first; each is the other's most frequent one.

    Source: IBM model 1 in both directions (Brown et al. 1993), of which what both agree upon; phrases as in Koehn et al. 2003.
    """
    pairs = [pair for pair in pairs if all(0 < len(side) <= LONGEST_SENTENCE for side in pair)]
    counts = collections.Counter()
    for (source, target), sure, links in zip(pairs, *_alignments(pairs), strict=True):
        counts.update(_phrases(source, target, sure, links))
    totals, best, back = collections.Counter(), {}, {}
    for (phrase, translation), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        totals[phrase] += count
        best.setdefault(phrase, (translation, count))
        back.setdefault(translation, phrase)
    return {
        phrase: translation
        for phrase, (translation, count) in best.items()
        if count >= least and count >= share * totals[phrase] and back[translation] == phrase
    }


def _alignments(pairs):
    """For each pair the places (of the source, of the target) that both directions link, and those that either does."""
    if not pairs:
        return [], []
    source, target = (_numbered([pair[side] for pair in pairs]) for side in (0, 1))
    # every word of a sentence beside every word of its translation: a cell
    sizes = np.array([[len(side) for side in pair] for pair in pairs])
    cells = sizes.prod(axis=1)
    pair = np.repeat(np.arange(len(pairs)), cells)
    inside = np.arange(cells.sum()) - np.repeat(np.cumsum(cells) - cells, cells)
    places = np.stack([inside // sizes[pair, 1], inside % sizes[pair, 1]])
    starts = np.cumsum(sizes, axis=0) - sizes
    tokens = starts[pair].T + places  # number of each token among all tokens of its side
    words = np.stack([source[tokens[0]], target[tokens[1]]])
    _, entry = np.unique(words[0] * (target.max() + 1) + words[1], return_inverse=True)
    likeliest = [_likeliest(words[side], tokens[1 - side], entry) for side in (0, 1)]
    return [_by_pair(linked, pair, places, len(pairs)) for linked in (likeliest[0] & likeliest[1], likeliest[0] | likeliest[1])]


def _by_pair(linked, pair, places, count):
    ends = np.cumsum(np.bincount(pair[linked], minlength=count))[:-1]
    return [list(zip(*links.tolist(), strict=True)) for links in np.split(places[:, linked], ends, axis=1)]


def _numbered(sentences):
    numbers = {}
    return np.array([numbers.setdefault(word, len(numbers)) for sentence in sentences for word in sentence], np.int64)


def _likeliest(given, written, entry):
    """Model 1: for each token written, which cell explains it best; bool [cells].

    Args:
        given: the word that explains, of each cell.
        written: the token that is explained.
        entry: which entry of the table of probabilities a cell looks up.
    """
    word_of_entry = np.zeros(entry.max() + 1, np.int64)
    word_of_entry[entry] = given
    table = np.ones(len(word_of_entry))
    for _ in range(ROUNDS):
        weight = table[entry]
        weight /= np.bincount(written, weight)[written]
        table = np.bincount(entry, weight)
        table /= np.bincount(word_of_entry, table)[word_of_entry]
    weight = table[entry]
    most = np.zeros(written.max() + 1)
    np.maximum.at(most, written, weight)
    return weight == most[written]


def _phrases(source, target, sure, links):
    """Spans of words whose links stay among themselves: (phrase, translation), each once."""
    found = set()
    anchored = {before for before, _ in sure}  # the ends of a phrase are, so that no stray word sticks to it
    for start in anchored:
        for end in range(start + 1, min(start + LONGEST_PHRASE, len(source)) + 1):
            there = [after for before, after in links if start <= before < end]
            low, high = min(there), max(there)
            apart = any((low <= after <= high) != (start <= before < end) for before, after in links)
            if end - 1 in anchored and high - low <= LONGEST_PHRASE and not apart:
                found.add((" ".join(source[start:end]), " ".join(target[low : high + 1])))
    return found
