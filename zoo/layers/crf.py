"""A linear-chain conditional random field: labels of a sequence, scored, learnt and searched for together."""

import keras
import numpy as np
import tensorflow as tf

# What a forbidden label or transition scores: no sum of real scores comes near it, and it is finite.
FORBIDDEN = -1e4
# Below the smallest share of a sum that counts: the logarithm of zero has no gradient.
TINY = 1e-30


def bio_rules(tags: int) -> tuple[np.ndarray, np.ndarray]:
    """What BIO labels allow; their order is O, B and I of the first type, B and I of the second, and so on.

    Args:
        tags: number of labels, odd.

    Returns:
        Which label may begin a sequence, bool [tags], and which may follow which, bool [tags, tags]: an I needs a B or an I of
        its own type before it.
    """
    inside = np.arange(tags)[2::2]
    starts, follows = np.ones(tags, bool), np.ones((tags, tags), bool)
    starts[inside], follows[:, inside] = False, False
    follows[inside, inside] = follows[inside - 1, inside] = True
    return starts, follows


@keras.saving.register_keras_serializable("zoo")
class CRF(keras.layers.Layer):
    """Scores of labels at each step, with those of beginning and of ending added; it keeps those of transitions.

    The layer itself gives the scores on which its methods work, all in float32: `log_likelihood` to learn, `viterbi` to answer.
    Masks are bool [N, T] and right-padded, T at least 1; what is beyond them changes nothing. The sums run in the domain of
    probabilities, one matrix product a step, so that what is less likely than the best of a step by a factor of 1e30 counts
    as that.

    Args:
        bio: labels are BIO in the order of `bio_rules`, and what these forbid is impossible; else any label may follow any.

    Source: Lafferty et al. 2001, "Conditional Random Fields"; on top of a recurrence as in Lample et al. 2016, "Neural
    Architectures for Named Entity Recognition".
    """

    def __init__(self, bio: bool = False, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # sums over many steps, whatever the precision of the rest
        self.bio = bio

    def build(self, emissions_shape, mask_shape=None):
        tags = emissions_shape[-1]
        self.transition = self.add_weight(name="transition", shape=(tags, tags), initializer="zeros")
        self.start = self.add_weight(name="start", shape=(tags,), initializer="zeros")
        self.end = self.add_weight(name="end", shape=(tags,), initializer="zeros")

    def call(self, emissions, mask):
        """Emissions float [N, T, K] and their mask → scores float32 [N, T, K], zeros where a sequence has ended."""
        last = mask & ~tf.pad(mask[:, 1:], [[0, 0], [0, 1]])
        start = tf.convert_to_tensor(self.start)
        if self.bio:
            start = tf.where(bio_rules(emissions.shape[-1])[0], start, FORBIDDEN)
        emissions = tf.concat([emissions[:, :1] + start, emissions[:, 1:]], axis=1)
        emissions += tf.where(last[..., None], tf.convert_to_tensor(self.end), 0.0)
        return tf.where(mask[..., None], emissions, 0.0)

    def compute_mask(self, *_, **__):
        return None  # its losses take the mask from their targets

    def compute_output_shape(self, emissions_shape, mask_shape=None):
        return emissions_shape

    @property
    def transitions(self):
        """Scores of one label (row) being followed by another (column), float32 [K, K]."""
        transition = tf.convert_to_tensor(self.transition)
        return tf.where(bio_rules(transition.shape[0])[1], transition, FORBIDDEN) if self.bio else transition

    def path_score(self, scores, tags, mask):
        """Score of a path of labels, int32 [N, T] → float32 [N]."""
        tags = tf.where(mask, tags, 0)
        steps = tf.gather(scores, tags, axis=2, batch_dims=2)
        moves = tf.gather_nd(self.transitions, tf.stack([tags[:, :-1], tags[:, 1:]], axis=2))
        return tf.reduce_sum(tf.where(mask, steps, 0.0), axis=1) + tf.reduce_sum(tf.where(mask[:, 1:], moves, 0.0), axis=1)

    def log_partition(self, scores, mask):
        """Logarithm of the sum over all paths of what their scores are the logarithms of, float32 [N]; 0 of no steps."""
        moves = tf.exp(self.transitions)
        steps, inside = self._by_step(scores, mask)

        def step(time, sums):
            highest = tf.stop_gradient(tf.reduce_max(sums, axis=1, keepdims=True))
            moved = tf.math.log(tf.maximum(tf.exp(sums - highest) @ moves, TINY)) + highest + steps.read(time)
            return time + 1, tf.where(inside.read(time), moved, sums)

        _, sums = tf.while_loop(lambda time, _: time < tf.shape(scores)[1], step, (1, scores[:, 0]))
        return tf.where(mask[:, 0], tf.reduce_logsumexp(sums, axis=1), 0.0)

    def log_likelihood(self, scores, tags, mask):
        """Log-probability of a path of labels, int32 [N, T] → float32 [N]; 0 of no steps."""
        return self.path_score(scores, tags, mask) - self.log_partition(scores, mask)

    def viterbi(self, scores, mask):
        """The best path of each sequence: labels int32 [N, T], 0 where it has ended, and its score float32 [N].

        Source: Viterbi 1967; of equal paths the one of lower labels.
        """
        transitions, count = self.transitions, tf.shape(scores)[1]
        steps, inside = self._by_step(scores, mask)
        itself = tf.broadcast_to(tf.range(tf.shape(scores)[2]), tf.shape(scores[:, 0]))

        def forward(time, best, before):
            through = best[:, :, None] + transitions
            moved = tf.reduce_max(through, axis=1) + steps.read(time)
            came_from = tf.where(inside.read(time), tf.argmax(through, axis=1, output_type=tf.int32), itself)
            return time + 1, tf.where(inside.read(time), moved, best), before.write(time, came_from)

        before = tf.TensorArray(tf.int32, size=count, clear_after_read=False, element_shape=scores[:, 0].shape)
        _, best, before = tf.while_loop(lambda time, *_: time < count, forward, (1, scores[:, 0], before.write(0, itself)))

        def backward(time, tag, tags):
            tag = tf.gather(before.read(time), tag, axis=1, batch_dims=1)
            return time - 1, tag, tags.write(time - 1, tag)

        last = tf.argmax(best, axis=1, output_type=tf.int32)
        tags = tf.TensorArray(tf.int32, size=count, element_shape=last.shape).write(count - 1, last)
        _, _, tags = tf.while_loop(lambda time, *_: time > 0, backward, (count - 1, last, tags))
        tags = tf.where(mask, tf.transpose(tags.stack()), 0)
        return tags, tf.where(mask[:, 0], tf.reduce_max(best, axis=1), 0.0)

    def get_config(self):
        return {**super().get_config(), "bio": self.bio}

    @staticmethod
    def _by_step(scores, mask):
        """Scores [N, T, K] and mask [N, T] as arrays of [N, K] and [N, 1] a step."""
        count = tf.shape(scores)[1]
        steps = tf.TensorArray(scores.dtype, size=count, clear_after_read=False).unstack(tf.transpose(scores, [1, 0, 2]))
        inside = tf.TensorArray(tf.bool, size=count, clear_after_read=False).unstack(tf.transpose(mask)[..., None])
        return steps, inside


@keras.saving.register_keras_serializable("zoo")
class CRFLoss(keras.losses.Loss):
    """Mean over sequences of the negative log-likelihood: targets int [N, T], label + 1 and 0 as padding; a CRF's scores.

    Args:
        crf: the `CRF` that gave the scores.
    """

    def __init__(self, crf, name="crf_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.crf = crf

    def call(self, y_true, y_pred):
        tags, mask = from_targets(y_true)
        return -self.crf.log_likelihood(tf.cast(y_pred, tf.float32), tags, mask)


def from_targets(targets):
    """Targets, label + 1 and 0 as padding, of whatever dtype [N, T] → labels int32 [N, T] and mask bool [N, T]."""
    targets = tf.cast(targets, tf.int32)  # Keras hands all targets over as floats
    return tf.maximum(targets - 1, 0), targets > 0


@keras.saving.register_keras_serializable("zoo")
class SpanF1(keras.metrics.Metric):
    """F1 of spans that are right from end to end, of BIO labels: targets as of `CRFLoss`, and a CRF's scores.

    Args:
        crf: the `CRF` that gave the scores; its best path is what is answered.
    """

    def __init__(self, crf, name="f1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.crf = crf
        self.right, self.wanted, self.answered = (
            self.add_weight(name=part, initializer="zeros") for part in ("right", "wanted", "answered")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        tags, mask = from_targets(y_true)
        found, _ = self.crf.viterbi(tf.cast(y_pred, tf.float32), mask)
        right, wanted, answered = count_spans(tags, found)
        self.right.assign_add(tf.cast(right, self.right.dtype))
        self.wanted.assign_add(tf.cast(wanted, self.wanted.dtype))
        self.answered.assign_add(tf.cast(answered, self.answered.dtype))

    def result(self):
        return 2 * self.right / tf.maximum(self.wanted + self.answered, 1)


def count_spans(tags, found):
    """How many spans two paths of BIO labels share, and how many each has: int32 [N, T] both → three int32 numbers.

    O is 0, and an I follows a B or an I of its type, as where `CRF` answers.
    """
    # a step more, so that no span reaches into the next row
    tags, found = (tf.reshape(tf.pad(path, [[0, 0], [0, 1]]), [-1]) for path in (tags, found))
    begins = tags % 2 == 1
    # a span is wrong where a label of it is another, or where the other path goes on after it
    goes_on = (found > 0) & (found % 2 == 0)
    after_end = tf.pad(tags > 0, [[1, 0]])[:-1] & ~((tags > 0) & (tags % 2 == 0))
    ended_late = tf.pad((after_end & goes_on)[1:], [[0, 1]])
    wrong = (tags > 0) & ((tags != found) | ended_late)
    number = tf.where(tags > 0, tf.cumsum(tf.cast(begins, tf.int32)), 0)
    count = tf.reduce_sum(tf.cast(begins, tf.int32))
    wrong_spans = tf.math.unsorted_segment_max(tf.cast(wrong, tf.int32), number, count + 1)[1:]
    return count - tf.reduce_sum(wrong_spans), count, tf.reduce_sum(tf.cast(found % 2 == 1, tf.int32))
