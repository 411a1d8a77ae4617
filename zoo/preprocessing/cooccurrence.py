"""Word vectors from the counts of a training split: a start for embeddings where no pretrained ones are to be had."""

import numpy as np


def cooccurrence_embeddings(sequences, *, size: int, width: int, window: int = 5, contexts: int = 5000, seed: int = 0):
    """Word vectors by counting: positive pointwise mutual information with frequent neighbours, reduced by an SVD.

    Args:
        sequences: int arrays [T] of word ids, one a text; 0 is padding, 1 an unknown word, then the lower the more frequent.
        size: number of word ids.
        width: length of a vector.
        window: how many words apart neighbours may be.
        contexts: how many of the most frequent words count as neighbours.
        seed: of the randomised SVD.

    Returns:
        float32 [size, width], root mean square 1 over the words; zeros for ids 0 and 1.

    Source: Levy & Goldberg 2014; smoothing of the contexts: Levy et al. 2015; randomised SVD: Halko et al. 2011.
    """
    contexts = min(contexts, size - 2)
    gap = np.zeros(window, np.int64)  # no neighbours across texts
    flat = np.concatenate([part for sequence in sequences for part in (sequence, gap)]).astype(np.int64)
    matrix = np.zeros((size, contexts), np.float32)
    block = 4096  # rows at a time: bincount counts in float64
    for distance in range(1, window + 1):
        for word, neighbour in ((flat[:-distance], flat[distance:]), (flat[distance:], flat[:-distance])):
            counted = (word > 1) & (neighbour > 1) & (neighbour < contexts + 2)
            keys = np.sort(word[counted] * contexts + neighbour[counted] - 2)
            edges = np.searchsorted(keys, np.arange(0, size + block, block) * contexts)
            for index, row in enumerate(range(0, size, block)):
                rows = min(block, size - row)
                inside = keys[edges[index] : edges[index + 1]] - row * contexts
                matrix[row : row + rows] += np.bincount(inside, minlength=rows * contexts).reshape(rows, contexts)
    words = np.maximum(matrix.sum(axis=1, keepdims=True), 1e-9)
    neighbours = np.maximum(matrix.sum(axis=0), 1e-9) ** 0.75
    neighbours /= neighbours.sum()
    with np.errstate(divide="ignore"):
        for row in range(0, size, block):
            part = slice(row, row + block)
            matrix[part] = np.maximum(np.log(matrix[part] / (words[part] * neighbours)), 0)
    vectors = _truncated_svd(matrix, width, np.random.default_rng(seed))
    vectors[:2] = 0
    return vectors / max(np.sqrt(np.mean(np.square(vectors[2:]))), 1e-9)


def _truncated_svd(matrix, width, random, *, extra=16, rounds=4):
    """Left singular vectors times the square roots of their values, [rows, width]."""
    basis = matrix @ random.standard_normal((matrix.shape[1], width + extra)).astype(np.float32)
    for _ in range(rounds):
        basis = matrix @ np.linalg.qr(matrix.T @ np.linalg.qr(basis)[0])[0]
    basis = np.linalg.qr(basis)[0]
    left, values, _ = np.linalg.svd(basis.T @ matrix, full_matrices=False)
    return (basis @ left[:, :width]) * np.sqrt(values[:width])
