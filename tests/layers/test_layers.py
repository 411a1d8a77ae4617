"""The other layers: what they compute, and that neither padding nor a text's neighbours in a batch change it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import layers, ridge
from zoo.layers import ngrams
from zoo.preprocessing import NGrams, split_words


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


LAYERS = {
    "bigrams": (layers.BigramEmbedding(7, 4), [("int32", 5)]),
    "join": (layers.JoinWindows(), [("float32", 4, 3), ("float32", 7, 2)]),
    "ngrams": (layers.NGramLinear(3, 2**8), [("int32", 5, 2)]),
    "pooling": (layers.MaxMeanPooling(attention=True), [("float32", 5, 4), ("bool", 5)]),
    "positions": (layers.SinusoidalPositions(), [("float32", 5, 4)]),
    "split": (layers.SplitWindows(2), [("float32", 5, 4)]),
    "transformer": (layers.TransformerBlock(4, causal=True, dropout=0.25), [("float32", 5, 4)]),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


@each_layer
def test_configuration_comes_back(name):
    layer, _ = LAYERS[name]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


@each_layer
def test_shape_in_a_functional_model_is_that_of_the_result(name):
    layer, inputs = LAYERS[name]
    symbolic = layer(*(keras.Input([None, *shape[1:]], dtype=dtype) for dtype, *shape in inputs))
    result = layer(*(tf.ones([2, *shape], dtype) for dtype, *shape in inputs))
    assert len(symbolic.shape) == result.shape.rank
    assert tf.TensorShape(symbolic.shape).is_compatible_with(result.shape)
    assert symbolic.dtype == result.dtype


@pytest.mark.parametrize("dtype", ("int32", "float32"))
@pytest.mark.parametrize("steps", (1, 3, 4, 5, 8, 9))
def test_joined_windows_are_what_was_split(steps, dtype):
    sequences = np.arange(2 * steps * 3).reshape(2, steps, 3).astype(dtype) + 1
    windows = layers.SplitWindows(4)(sequences)
    assert windows.shape[1] == min(4, steps)
    joined = layers.JoinWindows()(windows, sequences)
    assert joined.dtype == dtype
    np.testing.assert_array_equal(joined, sequences)


def test_windows_of_a_text_do_not_depend_on_the_padding_of_its_batch():
    split, join = layers.SplitWindows(4), layers.JoinWindows()
    recurrent = keras.layers.Bidirectional(layers.LSTM(3, return_sequences=True))

    def read(sequences, mask):
        return join(recurrent(split(sequences), mask=split(mask)), sequences)

    for length in (1, 3, 4, 6):
        alone = normal(1, length, 2, seed=length)
        batch = np.concatenate([np.pad(alone, [(0, 0), (0, 11 - length), (0, 0)]), normal(2, 11, 2)])
        together = read(batch, tf.sequence_mask([length, 11, 5], 11))
        close(together[:1, :length], read(alone, tf.ones([1, length], tf.bool)))


LENGTHS = (5, 0, 1, 3)
MASK = np.arange(5) < np.array(LENGTHS)[:, None]


def pooled(sequences, attention, mask=MASK, **options):
    layer = layers.MaxMeanPooling(attention, **options)
    layer.build(sequences.shape)
    for index, weight in enumerate(layer.weights):
        weight.assign(normal(*weight.shape, seed=index))
    return np.array(layer(sequences, mask)), [weight.numpy() for weight in layer.weights]


@pytest.mark.parametrize("attention", (False, True))
def test_pooling_is_the_maximum_and_the_mean_of_the_valid_steps(attention):
    sequences = normal(4, 5, 3)
    result, weights = pooled(sequences, attention)
    for row, length in enumerate(LENGTHS):
        valid = sequences[row, :length]
        if not length:
            expected = np.zeros(6)
        elif attention:
            kernel, bias, query = weights
            relevance = np.exp(np.tanh(valid @ kernel + bias) @ query)
            expected = np.concatenate([valid.max(axis=0), (valid * relevance).sum(axis=0) / relevance.sum()])
        else:
            expected = np.concatenate([valid.max(axis=0), valid.mean(axis=0)])
        close(result[row], expected)


@pytest.mark.parametrize("attention", (False, True))
def test_pooling_ignores_masked_values_and_the_order_of_the_others(attention):
    sequences = normal(4, 5, 3)
    expected, _ = pooled(sequences, attention)
    close(pooled(np.where(MASK[..., None], sequences, 100.0), attention)[0], expected)
    backwards = tf.reverse_sequence(sequences, LENGTHS, seq_axis=1).numpy()
    close(pooled(backwards, attention)[0], expected)


@pytest.mark.parametrize("attention", (False, True))
def test_pooling_in_float16_is_finite_with_empty_rows(attention):
    sequences = normal(4, 5, 3)
    result, _ = pooled(sequences, attention, dtype="mixed_float16")
    assert result.dtype == np.float16
    close(result, pooled(sequences, attention)[0], tolerance=1e-2)


def transformer(causal=False, **options):
    block = layers.TransformerBlock(8, causal=causal, **options)
    block.build((None, None, 8))
    for index, weight in enumerate(block.weights):
        weight.assign(weight + 0.3 * normal(*weight.shape, seed=index))
    return block


@pytest.mark.parametrize("causal", (False, True))
def test_padding_does_not_change_what_a_transformer_says_of_the_valid_steps(causal):
    block, alone = transformer(causal), normal(1, 3, 8)
    for fill in (0.0, 50.0):
        padded = np.pad(alone, [(0, 0), (0, 4), (0, 0)], constant_values=fill)
        close(block(padded, mask=np.arange(7)[None] < 3)[:, :3], block(alone))


def test_only_a_causal_transformer_is_blind_to_later_steps():
    before, after = normal(1, 6, 8), normal(1, 6, 8)
    after[:, 4:] *= -1
    for causal in (False, True):
        block = transformer(causal)
        mask = np.ones([1, 6], bool)
        change = np.abs(block(after, mask=mask) - block(before, mask=mask))[:, :4].max()
        assert (change < 1e-5) == causal


@pytest.mark.parametrize("dtype", ("float32", "mixed_float16"))
def test_a_transformer_is_finite_for_an_empty_row(dtype):
    result = transformer(dtype=dtype)(normal(2, 3, 8), mask=np.array([[True] * 3, [False] * 3]))
    assert np.isfinite(result).all()


@pytest.mark.parametrize("width", (4, 5))
def test_positions_differ_and_do_not_depend_on_the_length(width):
    layer = layers.SinusoidalPositions()
    long = np.array(layer(np.zeros([1, 50, width], "float32")))[0]
    close(layer(np.zeros([1, 7, width], "float32"))[0], long[:7])
    close(long[0], np.arange(width) >= (width + 1) // 2)  # sines of zero, cosines of zero
    distances = np.linalg.norm(long[:, None] - long[None], axis=-1)
    assert (distances + np.eye(50)).min() > 0.05


def test_bigrams_are_embedded_by_both_words_and_not_by_padding():
    layer = layers.BigramEmbedding(1009, 4)
    tokens = np.array([[5, 6, 7, 5, 6, 0, 0]])
    vectors = np.array(layer(tokens))[0]
    close(vectors[0], vectors[3])
    assert not np.allclose(vectors[0], vectors[4])  # "5 6", "6 and then nothing"
    assert not np.allclose(vectors[1], vectors[4])
    close(layer(tokens[:, :5])[0], vectors[:5])


GRAMS = NGrams(order=2, limit=100)


def hashed(texts):
    return GRAMS(split_words(tf.constant(texts))).numpy()


def adapted(texts, classes, buckets=2**10):
    """The layer after `adapt`, as if training had moved every factor equally."""
    layer = layers.NGramLinear(classes, buckets)
    hashes, labels = hashed(list(texts)).reshape(len(texts), -1), np.array(list(texts.values()))
    layer.build((None, None, GRAMS.order))
    owned = layer.adapt(hashes[hashes > 0], np.repeat(labels, (hashes > 0).sum(axis=1)))
    layer.factors.assign(np.full(layer.factors.shape, 0.1, "float32"))
    return layer, owned


# No single word tells the classes apart, some pairs do.
ORDER_MATTERS = {
    f"{text} {place}": label
    for text, label in {"very good": 1, "not bad": 1, "very bad": 0, "not good": 0}.items()
    for place in ("here", "there", "everywhere")
}


def test_ngrams_that_tell_two_classes_apart_are_found():
    layer, _ = adapted(ORDER_MATTERS, 2)
    logits = np.array(layer(hashed(list(ORDER_MATTERS))))
    np.testing.assert_array_equal(logits.argmax(axis=1), list(ORDER_MATTERS.values()))
    close(logits.sum(axis=1), 0)
    alone = np.array(layer(hashed(["good", "bad", "not", "very", "here"])))
    close(alone, 0)


def test_each_of_several_classes_has_its_words():
    texts = {f"{word} {other}": label for label, word in enumerate("abc") for other in "xyz"}
    layer, _ = adapted(texts, 3)
    logits = np.array(layer(hashed(["a", "b", "c", "x y", ""])))
    np.testing.assert_array_equal(logits[:3].argmax(axis=1), [0, 1, 2])
    close(logits[3:], 0)


def solved(texts, classes, buckets=2**12):
    """The layer after `solve`, and how many buckets have an owner."""
    layer = layers.NGramLinear(classes, buckets)
    layer.build((None, None, GRAMS.order))
    words = split_words(tf.constant(list(texts)))
    orders = []
    for order in range(1, GRAMS.order + 1):
        rows = NGrams(order=order, limit=100)(words).numpy().reshape(len(texts), -1)
        orders.append([row[row > 0] for row in rows])
    return layer, layer.solve(orders, np.array(list(texts.values())))


def test_from_few_texts_new_ones_are_answered_and_strangers_with_the_shares_of_the_classes():
    texts = {f"{word} {other} {more}": label for label, word in enumerate("abc") for other in "uvw" for more in "xyz"}
    layer, owned = solved(texts, 3)
    assert owned > 0
    logits = np.array(layer(hashed(["a q", "r b", "x c u", "q r s"])))
    np.testing.assert_array_equal(logits[:3].argmax(axis=1), [0, 1, 2])
    close(tf.nn.softmax(logits[3]), [1 / 3] * 3, 0.02)


def test_pairs_of_words_are_taken_where_no_word_tells_the_classes_apart():
    layer, _ = solved(ORDER_MATTERS, 2)
    logits = np.array(layer(hashed(["very good indeed", "not bad indeed", "very bad indeed", "not good indeed"])))
    np.testing.assert_array_equal(logits.argmax(axis=1), [1, 1, 0, 0])


def test_a_solved_layer_answers_as_the_regression_does():
    """What the table says of its own texts is what the products of their n-grams say."""
    texts = {f"{word} {other}": label for label, word in enumerate("ab") for other in "uvwxyz"}
    layer, _ = solved(texts, 2)
    words = split_words(tf.constant(list(texts)))
    found = []
    for order in (1, 2):
        rows = NGrams(order=order, limit=100)(words).numpy().reshape(len(texts), -1)
        _, products, alone = ngrams._products([row[row > 0] for row in rows])
        for diagonal in (0, alone):
            fitted = ridge.fit(products + np.diag(np.broadcast_to(diagonal, len(texts))), np.array(list(texts.values())), 2)
            found.append((fitted.loss, ridge.logits(products @ fitted.weights + fitted.bias)))
    _, expected = min(found, key=lambda one: one[0])
    np.testing.assert_array_equal(np.array(layer(hashed(list(texts)))).argmax(axis=1), expected.argmax(axis=1))


def test_before_training_ngrams_say_nothing():
    layer, owned = adapted(ORDER_MATTERS, 2)
    assert owned > 0
    layer.factors.assign(tf.zeros_like(layer.factors))
    close(layer(hashed(list(ORDER_MATTERS))), 0)


def test_unknown_ngrams_and_padding_contribute_nothing():
    layer, _ = adapted(ORDER_MATTERS, 2)
    known, padded, mixed = np.array(layer(hashed(["not bad", "not bad", "not bad nowhere at all, ever"])))
    close(padded, known)
    close(mixed, known)
    close(layer(hashed(["nowhere at all, ever", ""])), 0)


def test_ngrams_of_a_single_text_are_left_out():
    _, owned = adapted({"once upon a time": 0, "never again": 1}, 2)
    assert owned == 0


def test_of_two_ngrams_in_one_bucket_the_more_telling_one_stays():
    layer = layers.NGramLinear(2, 2**8)
    layer.build((None, None, 1))
    weak, strong, other = 7, 7 + 2**8, 2**8 * 255  # the last has the bucket and the fingerprint of padding
    assert layer.adapt(np.repeat([weak, strong, other], [2, 9, 2]), np.ones(13, int)) == 2
    layer.factors.assign(np.ones(layer.factors.shape, "float32"))
    scores = np.array(layer(np.array([weak, strong, other, 0]).reshape(4, 1, 1)))[:, 1]
    assert (scores > 0).tolist() == [False, True, True, False]


def test_in_a_full_table_nearly_all_strangers_are_ignored():
    random = np.random.default_rng(0)
    layer = layers.NGramLinear(2, 2**8)
    layer.build((None, None, 1))
    grams = random.integers(1, 2**31, 3000)
    assert layer.adapt(np.repeat(grams, 3), np.repeat(grams % 2, 3)) == 2**8
    layer.factors.assign(np.ones(layer.factors.shape, "float32"))
    strangers = random.integers(1, 2**31, [10_000, 1, 1], dtype=np.int32)
    heard = np.abs(layer(strangers)).max(axis=1) > 0
    assert 0.001 < heard.mean() < 0.01  # 1 in 255


@pytest.mark.parametrize("buckets", (0, 100, 2**7, 2**24))
def test_a_table_of_a_size_that_hashes_cannot_fill_is_refused(buckets):
    with pytest.raises(zoo.ZooError, match=f"power of two from .* not {buckets}$"):
        layers.NGramLinear(2, buckets)
