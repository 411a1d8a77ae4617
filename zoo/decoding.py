"""Greedy, sampling and beam search as in-graph loops over a "one step" function; any model that writes token by token.

A model gives its one step, `step(tokens, position, state, context) -> (logits, state)`, with R rows:

- `tokens`: int32 [R], the last token of each row; the start token at position 0.
- `position`: int32 scalar, the number of steps before this one.
- `state`: nest of tensors [R, ...], `()` for none, whose trailing shapes stay; it changes with every step.
- `context`: nest of tensors [R, ...], `()` for none, such as an encoder's memory; it never changes.
- `logits`: float [R, V].

R is the number of inputs N; in beam search it is N * width, and there state and context are repeated before the first step.
A row whose answer is complete goes on through `step` as long as others need it, and its results are dropped.
"""

import typing

import tensorflow as tf

from zoo.errors import ZooError

BLOCK = 64  # random numbers a draw; fixed, so that a row's numbers do not depend on how long its batch-mates may go on


class Decoded(typing.NamedTuple):
    """Answers, one a row.

    Attributes:
        tokens: int32 [N, L], without start and end, 0 after a row's last one; L is the length of the longest.
        lengths: int32 [N], number of tokens, the end not counted.
        log_probs: float32 [N], natural log of the probability of the answer, the end included if it was reached.
        scores: float32 [N], what the search ranked by: `log_probs`, in beam search divided by the length penalty.
    """

    tokens: tf.Tensor
    lengths: tf.Tensor
    log_probs: tf.Tensor
    scores: tf.Tensor

    @property
    def best(self) -> "Decoded":
        """The first of each row's hypotheses, where there are several: of [N, K, ...] → of [N, ...]."""
        tokens, *others = (each[:, 0] for each in self)
        return Decoded(tokens[:, : _largest(others[0])], *others)


def greedy(step, state, context, *, start: int, end: int, limits) -> Decoded:
    """Takes the likeliest token at each step, of equal ones the first.

    Args:
        step: see the module.
        state: of each row before the first step, nest of [N, ...].
        context: of each row, nest of [N, ...].
        start: the token to begin with.
        end: the token that completes an answer.
        limits: int32 [N], most tokens of each row, the end not counted. A row that reaches its limit is cut there.
    """

    def choose(logits, _):
        return tf.math.top_k(logits, 1).indices[:, 0]  # not argmax: it leaves open which one of equal logits it takes

    return _one_by_one(step, choose, state, context, start, end, limits)


def sample(step, state, context, *, start: int, end: int, limits, seeds, temperature, top_k, top_p) -> Decoded:
    """Draws each token from the model's distribution, tempered, then cut to the `top_k` and then to the `top_p` likeliest.

    A row's answer depends on its own seed and options alone. `log_probs` are those of the model's whole distribution at
    temperature 1, whatever the options.

    Args:
        step: see the module.
        state: see `greedy`.
        context: see `greedy`.
        start: see `greedy`.
        end: see `greedy`.
        limits: see `greedy`.
        seeds: int32 or int64 [N].
        temperature: float32 [N], what logits are divided by; at 0 or below the row is greedy.
        top_k: int32 [N], how many of the likeliest tokens are left; 0 or below for all.
        top_p: float32 [N], the fewest of the likeliest tokens that have this probability together are left; from 1 on all.

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration" (`top_p`).
    """
    uniforms = _uniforms(seeds, _largest(limits))
    tempered = temperature > 0
    most = tf.where(tempered, tf.where(top_k > 0, top_k, tf.int32.max), 1)[:, None]
    mass = tf.where(top_p < 1, top_p, float("inf"))[:, None]  # not 1: rounded sums may exceed it
    # clipped, so that the division below overflows to -inf at most, and never to NaN
    temperature = tf.where(tempered, tf.clip_by_value(temperature, 1e-6, 1e6), 1)[:, None]

    def choose(logits, position):
        values, ids = tf.math.top_k(logits, tf.shape(logits)[1])
        values = (values - values[:, :1]) / temperature
        probs = tf.nn.softmax(tf.where(tf.range(tf.shape(values)[1]) < most, values, float("-inf")))
        sums = tf.cumsum(probs, axis=1)
        kept = tf.reduce_sum(tf.cast((sums - probs < mass) & (probs > 0), tf.int32), axis=1)
        last = tf.maximum(kept - 1, 0)
        target = uniforms[:, position] * tf.gather(sums, last, batch_dims=1)
        drawn = tf.reduce_sum(tf.cast(sums <= target[:, None], tf.int32), axis=1)
        return tf.gather(ids, tf.minimum(drawn, last), batch_dims=1)

    return _one_by_one(step, choose, state, context, start, end, limits)


def beam_search(step, state, context, *, start: int, end: int, limits, width: int = 5, length_penalty: float = 1.0) -> Decoded:
    """Keeps the `width` best beginnings of each row; width 1 is `greedy`.

    Complete and incomplete hypotheses compete for the same places by log-probability / ((5 + length) / 6) ** length_penalty,
    where the length counts the end token. A row stops as soon as its best complete one cannot be beaten any more.

    Args:
        step: see the module.
        state: see `greedy`; it is repeated, then follows its hypothesis.
        context: see `greedy`; it is repeated.
        start: see `greedy`.
        end: see `greedy`.
        limits: see `greedy`; hypotheses that are cut compete with the others.
        width: number of hypotheses of each row.
        length_penalty: 0 ranks by log-probability; the larger, the longer the answers.

    Returns:
        All hypotheses at the end, best first: tokens [N, width, L], the others [N, width]. Those behind the first may be
        incomplete, since the search ends when the first is found.

    Raises:
        ZooError: for a width less than 1 or a negative length penalty.

    Source: Wu et al. 2016, "Google's Neural Machine Translation System", equation 14, without the coverage.
    """
    if width < 1:
        raise ZooError(f"Beam search needs a width of at least 1, not {width}.")
    if length_penalty < 0:
        raise ZooError(f"length_penalty must be at least 0, not {length_penalty}: a bound on the scores rests on it.")
    limits = tf.convert_to_tensor(limits, tf.int32)
    rows = tf.shape(limits)[0]
    state, context = tf.nest.map_structure(lambda each: tf.repeat(each, width, axis=0), (state, context))

    def penalty(length):
        return ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** length_penalty

    def body(position, tokens, closed, log_probs, scores, history, state):
        logits, state = step(tokens, position, state, context)
        logits = tf.cast(logits, tf.float32)
        # the best `width` of the row are among the best `width` of each hypothesis, and these few are cheap to work on
        branches = tf.minimum(width, tf.shape(logits)[1])
        values, ids = tf.math.top_k(logits, branches)
        gained = tf.reshape(values - tf.reduce_logsumexp(logits, axis=1, keepdims=True), [rows, width, branches])
        extended = log_probs[..., None] + gained
        # a closed hypothesis has one continuation, itself
        itself = tf.where(tf.range(branches) == 0, scores[..., None], float("-inf"))
        ranked = tf.where(closed[..., None], itself, extended / penalty(position + 1))
        extended = tf.where(closed[..., None], log_probs[..., None], extended)

        scores, best = tf.math.top_k(tf.reshape(ranked, [rows, width * branches]), width)
        log_probs = tf.gather(tf.reshape(extended, [rows, width * branches]), best, batch_dims=1)
        tokens = tf.gather(tf.reshape(ids, [rows, width * branches]), best, batch_dims=1)
        parents = best // branches
        closed = tf.gather(closed, parents, batch_dims=1) | (tokens == end)
        history = tf.gather(history, parents, batch_dims=1)
        history = tf.concat([history, tf.where(closed, -1, tokens)[..., None]], axis=2)
        origins = tf.reshape(tf.range(rows)[:, None] * width + parents, [-1])
        state = tf.nest.map_structure(lambda each: tf.gather(each, origins), state)

        # a log-probability only falls, and no length divides it by more than the limit does
        reached = tf.reduce_max(tf.where(closed, scores, float("-inf")), axis=1)
        hoped = tf.reduce_max(tf.where(closed, float("-inf"), log_probs / penalty(limits)[:, None]), axis=1)
        done = (reached > hoped) | (position + 1 >= limits)
        # all are closed once the row is done: from here on nothing of it changes, however long its batch-mates go on
        return position + 1, tf.reshape(tokens, [-1]), closed | done[:, None], log_probs, scores, history, state

    closed = tf.tile(limits[:, None] <= 0, [1, width])
    # all begin alike, so only one of them may go on; those of a row without room are all the empty answer
    log_probs = tf.where(closed, 0.0, [0.0] + [float("-inf")] * (width - 1))
    history = tf.zeros([rows, width, 0], tf.int32)
    _, _, _, log_probs, scores, history, _ = tf.while_loop(
        lambda position, tokens, closed, *_: ~tf.reduce_all(closed),
        body,
        (0, tf.fill([rows * width], start), closed, log_probs, log_probs, history, state),
        shape_invariants=(
            *map(tf.TensorShape, ([], [None], [None, width], [None, width], [None, width], [None, width, None])),
            _any_rows(state),
        ),
    )
    return _decoded(history, log_probs, scores)


def _one_by_one(step, choose, state, context, start, end, limits):
    """The loop of one hypothesis a row; `choose` takes float32 logits [N, V] and the position, and gives tokens [N]."""
    limits = tf.convert_to_tensor(limits, tf.int32)
    rows = tf.shape(limits)[0]

    def body(position, tokens, live, log_probs, history, state):
        logits, state = step(tokens, position, state, context)
        logits = tf.cast(logits, tf.float32)
        tokens = choose(logits, position)
        gained = tf.gather(logits, tokens, batch_dims=1) - tf.reduce_logsumexp(logits, axis=1)
        log_probs = tf.where(live, log_probs + gained, log_probs)
        live = live & (tokens != end)
        history = tf.concat([history, tf.where(live, tokens, -1)[:, None]], axis=1)
        return position + 1, tokens, live & (position + 1 < limits), log_probs, history, state

    _, _, _, log_probs, history, _ = tf.while_loop(
        lambda position, tokens, live, *_: tf.reduce_any(live),
        body,
        (0, tf.fill([rows], start), limits > 0, tf.zeros([rows]), tf.zeros([rows, 0], tf.int32), state),
        shape_invariants=(*map(tf.TensorShape, ([], [None], [None], [None], [None, None])), _any_rows(state)),
    )
    return _decoded(history, log_probs, log_probs)


def _any_rows(state):
    """Static shapes for the loop, of which only the number of rows is left open."""
    return tf.nest.map_structure(lambda each: tf.TensorShape([None, *each.shape[1:]]), state)


def _uniforms(seeds, count):
    """Float32 [N, ≥ count], uniform in [0, 1); the numbers of a row depend on its seed alone."""
    blocks = (count + BLOCK - 1) // BLOCK
    rows = tf.shape(seeds)[0]
    pairs = tf.stack(
        [tf.repeat(tf.cast(seeds, tf.int64), blocks), tf.tile(tf.range(tf.cast(blocks, tf.int64)), [rows])], axis=1
    )
    numbers = tf.map_fn(
        lambda pair: tf.random.stateless_uniform([BLOCK], seed=pair, alg="philox"),  # named: "auto" differs by device
        pairs,
        fn_output_signature=tf.TensorSpec([BLOCK], tf.float32),
    )
    return tf.reshape(numbers, [rows, blocks * BLOCK])


def _decoded(history, log_probs, scores):
    """From tokens with -1 where there is none; a 0 may be a token."""
    lengths = tf.reduce_sum(tf.cast(history >= 0, tf.int32), axis=-1)
    return Decoded(tf.maximum(history[..., : _largest(lengths)], 0), lengths, log_probs, scores)


def _largest(numbers):
    """The maximum, at least 0: that of no numbers at all is the least integer."""
    return tf.maximum(tf.reduce_max(numbers), 0)
