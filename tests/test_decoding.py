"""Greedy, sampling and beam search against plain Python, on tiny models that remember all they have written."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import decoding
from zoo.errors import ZooError

START, END = 9, 1  # 0 is a token like any other
CODES = 97
MODELS = 50
TABLES = {size: np.random.default_rng(size).normal(size=(MODELS, CODES, size)).astype("float32") * 1.5 for size in (3, 4, 5)}


def step_of(table):
    """A step whose logits depend on the row's model, on the position and on every token before, through a nested state."""
    table = tf.constant(table)

    def step(tokens, position, state, context):
        code = (state["code"] * 5 + state["before"][0][:, 0] * 3 + tokens + 1) % CODES
        logits = tf.gather_nd(table, tf.stack([context, (code + position) % CODES], axis=1))
        return logits, {"code": code, "before": (tokens[:, None],)}

    return step


def log_probs_of(table, model, prefix):
    """The same in Python: natural logs of the probabilities of the next token, float64 [V]."""
    code = before = 0
    for token in (START, *prefix):
        code, before = (code * 5 + before * 3 + token + 1) % CODES, token
    logits = table[model, (code + len(prefix)) % CODES].astype("float64")
    return logits - np.log(np.exp(logits).sum())


def inputs(models):
    models = tf.constant(models, tf.int32, shape=[len(models)])
    return {"code": tf.zeros_like(models), "before": (tf.zeros_like(models)[:, None],)}, models


def beam_search(*model, **options):
    """The best that beam search finds."""
    return decoding.beam_search(*model, **options).best


def run(search, models, limits, *, size=4, table=None, **options):
    """Runs a search inside a `tf.function`, as a signature would."""
    step = step_of(TABLES[size] if table is None else table)
    limits = tf.constant(limits, tf.int32, shape=[len(models)])
    result = tf.function(
        lambda: search(step, *inputs(models), start=START, end=END, limits=limits, **options), autograph=False
    )()
    assert result.tokens.dtype == result.lengths.dtype == tf.int32
    assert result.log_probs.dtype == result.scores.dtype == tf.float32
    assert result.tokens.shape == (len(models), max([*result.lengths.numpy(), 0]))
    for row, length in zip(result.tokens.numpy(), result.lengths.numpy(), strict=True):
        assert not row[length:].any()
    return result


def draw(models, limits, *, seeds, temperature=1.0, top_k=0, top_p=1.0, **options):
    rows = [len(models)]
    return run(
        *(decoding.sample, models, limits),
        seeds=tf.constant(seeds, tf.int64, shape=rows),
        temperature=tf.fill(rows, temperature),
        top_k=tf.fill(rows, top_k),
        top_p=tf.fill(rows, top_p),
        **options,
    )


def answers(result):
    return [tuple(row[:length]) for row, length in zip(result.tokens.numpy().tolist(), result.lengths.numpy(), strict=True)]


def teacher_forced(table, model, answer, limit):
    """Log-probability of an answer, its end included unless it was cut."""
    written = answer if len(answer) == limit else (*answer, END)
    return sum(log_probs_of(table, model, written[:at])[token] for at, token in enumerate(written))


def penalty(length, strength):
    return ((5 + length) / 6) ** strength


def assert_same(one, other):
    assert answers(one) == answers(other)
    np.testing.assert_array_equal(one.log_probs, other.log_probs)


MODEL_IDS = list(range(MODELS))
LIMITS = [model % 6 for model in MODEL_IDS]


@pytest.mark.parametrize("size", TABLES)
def test_greedy_takes_the_likeliest_token_at_each_step(size):
    expected = []
    for model, limit in zip(MODEL_IDS, LIMITS, strict=True):
        answer = ()
        while len(answer) < limit and (token := int(log_probs_of(TABLES[size], model, answer).argmax())) != END:
            answer += (token,)
        expected.append(answer)
    result = run(decoding.greedy, MODEL_IDS, LIMITS, size=size)
    assert answers(result) == expected
    np.testing.assert_array_equal(result.scores, result.log_probs)


def test_of_equal_tokens_the_first_is_taken():
    table = np.zeros((1, CODES, 4), "float32")
    assert answers(run(decoding.greedy, [0], [3], table=table)) == [(0, 0, 0)]
    assert answers(run(beam_search, [0], [3], table=table, width=1)) == [(0, 0, 0)]


SEARCHES = {
    "greedy": decoding.greedy,
    "beam": beam_search,
    "sample": lambda *model, limits, **options: decoding.sample(
        *model,
        seeds=tf.range(tf.size(limits)) * 7,
        temperature=tf.fill(tf.shape(limits), 1.3),
        top_k=tf.fill(tf.shape(limits), 3),
        top_p=tf.fill(tf.shape(limits), 0.9),
        limits=limits,
        **options,
    ),
}


@pytest.mark.parametrize("search", SEARCHES)
def test_log_probs_are_those_of_the_answer(search):
    result = run(SEARCHES[search], MODEL_IDS, LIMITS)
    rows = list(zip(MODEL_IDS, answers(result), LIMITS, strict=True))
    assert all(len(answer) <= limit for _, answer, limit in rows)
    assert {len(answer) == limit for _, answer, limit in rows} == {True, False}  # some are cut, some end
    np.testing.assert_allclose(result.log_probs, [teacher_forced(TABLES[4], *row) for row in rows], atol=1e-5)
    np.testing.assert_array_equal(result.log_probs.numpy()[np.equal(LIMITS, 0)], 0)


@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0, 3.0])
@pytest.mark.parametrize(("size", "limit"), [(3, 5), (4, 4), (5, 3)])
def test_a_beam_wide_enough_finds_the_best_of_all_answers(size, limit, strength):
    tokens = [token for token in range(size) if token != END]
    every = [answer for length in range(limit + 1) for answer in itertools.product(tokens, repeat=length)]
    result = run(beam_search, MODEL_IDS, [limit] * MODELS, size=size, width=len(every), length_penalty=strength)
    expected, scores = [], []
    for model in MODEL_IDS:
        ranked = {
            answer: teacher_forced(TABLES[size], model, answer, limit) / penalty(min(len(answer) + 1, limit), strength)
            for answer in every
        }
        expected.append(max(ranked, key=ranked.get))
        scores.append(ranked[expected[-1]])
    assert answers(result) == expected
    np.testing.assert_allclose(result.scores, scores, atol=1e-5)


def plain_beam(table, model, limit, width, strength):
    """Beam search with no early stop: (answer, log-probability, score)."""
    beam = [((), 0.0, 0.0)]
    for position in range(limit):
        candidates = []
        for written, total, score in beam:
            if END in written:
                candidates.append((written, total, score))
                continue
            for token, gained in enumerate(log_probs_of(table, model, written)):
                candidates.append(((*written, token), total + gained, (total + gained) / penalty(position + 1, strength)))
        beam = sorted(candidates, key=lambda candidate: -candidate[2])[:width]
    written, total, score = beam[0]
    return written[:-1] if END in written else written, total, score


@pytest.mark.parametrize("strength", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("width", [2, 3, 7])
def test_beam_search_is_that_of_plain_python(width, strength):
    limits = [model % 8 for model in MODEL_IDS]
    result = run(beam_search, MODEL_IDS, limits, width=width, length_penalty=strength)
    expected = [plain_beam(TABLES[4], model, limit, width, strength) for model, limit in zip(MODEL_IDS, limits, strict=True)]
    assert answers(result) == [answer for answer, _, _ in expected]
    np.testing.assert_allclose(result.log_probs, [total for _, total, _ in expected], atol=1e-5)
    np.testing.assert_allclose(result.scores, [score for _, _, score in expected], atol=1e-5)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_beam_of_width_1_is_greedy(strength):
    beam = run(beam_search, MODEL_IDS, LIMITS, width=1, length_penalty=strength)
    assert_same(beam, run(decoding.greedy, MODEL_IDS, LIMITS))


@pytest.mark.parametrize(
    ("options", "message"), [({"width": 0}, "width of at least 1"), ({"length_penalty": -1}, "at least 0")]
)
def test_impossible_options_of_beam_search_are_refused(options, message):
    with pytest.raises(ZooError, match=message):
        run(beam_search, [0], [3], **options)


LENGTHS = st.sampled_from([0, 1, 5, 12, decoding.BLOCK + 6])
ROWS = st.lists(st.tuples(st.integers(0, MODELS - 1), LENGTHS, st.integers(0, 2**40)), max_size=5)


@pytest.fixture(scope="module")
def traced():
    """Each search as one function of (models, limits, seeds), traced once."""
    step = step_of(TABLES[4] - 2 * np.eye(4, dtype="float32")[END])  # ends are rare, so that some answers are long

    def trace(search):
        @tf.function(input_signature=[tf.TensorSpec([None], kind) for kind in (tf.int32, tf.int32, tf.int64)], autograph=False)
        def function(models, limits, seeds):
            state = {"code": tf.zeros_like(models), "before": (tf.zeros_like(models)[:, None],)}
            every = {"start": START, "end": END, "limits": limits}
            if search != "sample":
                return SEARCHES[search](step, state, models, **every)
            fill = {"temperature": 0.8, "top_k": 3, "top_p": 0.95}
            fill = {name: tf.fill(tf.shape(limits), value) for name, value in fill.items()}
            return decoding.sample(step, state, models, seeds=seeds, **fill, **every)

        return function

    return {search: trace(search) for search in SEARCHES}


@pytest.mark.parametrize("search", SEARCHES)
@settings(max_examples=15, deadline=None)
@given(rows=ROWS)
def test_batch_mates_and_their_limits_change_nothing(traced, search, rows):
    together = decode_rows(traced[search], rows)
    assert len(answers(together)) == len(rows)
    for at, row in enumerate(rows):
        alone = decode_rows(traced[search], [row])
        assert answers(alone) == [answers(together)[at]]
        # TensorFlow sums a softmax in another order in a larger batch
        np.testing.assert_allclose(alone.log_probs[0], together.log_probs[at], rtol=1e-5)
        np.testing.assert_allclose(alone.scores[0], together.scores[at], rtol=1e-5)


def decode_rows(function, rows):
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return function(*(tf.constant(column, kind) for column, kind in zip(columns, (tf.int32, tf.int32, tf.int64), strict=True)))


@pytest.mark.parametrize("search", SEARCHES)
def test_no_rows_at_all(search):
    result = run(SEARCHES[search], [], [])
    assert [each.shape for each in result] == [(0, 0), (0,), (0,), (0,)]


@pytest.mark.parametrize("search", SEARCHES)
def test_the_loop_stops_with_the_last_row(search):
    """A model that surely ends after as many tokens as the row's context says."""
    steps = tf.Variable(0)

    def step(tokens, position, state, context):
        steps.assign_add(1)
        return 50.0 * tf.one_hot(tf.where(position < context, 2, END), 4), state

    @tf.function(autograph=False)
    def decode(lengths, limits):
        return SEARCHES[search](step, (), lengths, start=START, end=END, limits=limits)

    for lengths, limits, expected in (
        ([2, 5, 0], [100, 100, 100], 6),
        ([2, 50, 0], [100, 4, 100], 4),
        ([7, 7, 7], [0, 0, 0], 0),
        ([], [], 0),
    ):
        steps.assign(0)
        result = decode(tf.constant(lengths, tf.int32), tf.constant(limits, tf.int32))
        assert steps == expected
        assert result.lengths.numpy().tolist() == np.minimum(lengths, limits).tolist()


def test_a_beam_stops_when_nothing_can_beat_its_best():
    """The end has 0.6 at first; whatever has another token, at most 0.3, is behind it even at the limit's penalty."""
    steps = tf.Variable(0)

    def step(tokens, position, state, context):
        steps.assign_add(1)
        return tf.math.log(tf.repeat([[0.3, 0.6, 0.06, 0.04]], tf.size(tokens), axis=0)), state

    result = beam_search(step, (), (), start=START, end=END, limits=tf.constant([6]), width=3)
    assert steps == 1
    assert answers(result) == [()]
    np.testing.assert_allclose(result.log_probs, math.log(0.6), rtol=1e-6)


@pytest.mark.parametrize("mask", [-1e9, -math.inf])
@pytest.mark.parametrize("search", SEARCHES)
def test_masked_tokens_are_never_written(search, mask):
    """Also where fewer are left than the beam has places."""
    table = TABLES[4].copy()
    table[:, :, [0, 3]] = mask
    table[: MODELS // 2, :, 2] = mask  # in half of the models only the end is left
    result = run(SEARCHES[search], MODEL_IDS, [4] * MODELS, table=table)
    assert {token for answer in answers(result) for token in answer} == {2}
    assert not result.lengths.numpy()[: MODELS // 2].any()
    assert np.isfinite(result.log_probs).all()
    assert np.isfinite(result.scores).all()
    np.testing.assert_array_equal(result.log_probs[: MODELS // 2], 0)


@pytest.mark.parametrize(
    "options", [{"top_k": 1}, {"top_p": 1e-6}, {"top_p": 0.0}, {"temperature": 0.0}, {"temperature": 1e-6}]
)
def test_sampling_without_choice_is_greedy(options):
    drawn = draw(MODEL_IDS, LIMITS, seeds=MODEL_IDS, **options)
    assert_same(drawn, run(decoding.greedy, MODEL_IDS, LIMITS))


@pytest.mark.parametrize("options", [{"temperature": math.nan}, {"top_p": math.nan}, {"temperature": math.inf}])
def test_options_that_are_no_numbers_do_no_harm(options):
    result = draw(MODEL_IDS, LIMITS, seeds=MODEL_IDS, **options)
    assert np.isfinite(result.log_probs).all()


def truncated(log_probs, temperature, top_k, top_p):
    """The distribution that is drawn from, written out."""
    probs = np.exp(log_probs / temperature)
    order = np.argsort(-probs)
    probs[order[top_k or len(probs) :]] = 0
    probs /= probs.sum()
    before = 0.0
    for token in order:
        before, probs[token] = before + probs[token], probs[token] if before < top_p else 0
    return probs / probs.sum()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 2},
        {"top_p": 0.7},
        {"top_k": 3, "top_p": 0.8, "temperature": 1.7},
    ],
)
def test_answers_are_as_frequent_as_their_probability(options):
    """Pairs of tokens: what is drawn second has to be independent of what was drawn first."""
    model, count = 3, 4000
    options = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **options}
    expected = {(): truncated(log_probs_of(TABLES[5], model, ()), **options)[END]}
    for first, second in itertools.product([0, 2, 3, 4], range(5)):
        answer = (first,) if second == END else (first, second)
        probs = [truncated(log_probs_of(TABLES[5], model, answer[:at]), **options) for at in (0, 1)]
        expected[answer] = probs[0][first] * probs[1][second]
    assert sum(expected.values()) == pytest.approx(1)
    drawn = answers(draw([model] * count, [2] * count, seeds=range(count), size=5, **options))
    assert not {answer for answer in drawn if expected[answer] == 0}
    possible = [answer for answer in expected if expected[answer] > 0]
    distance = sum((drawn.count(each) - count * expected[each]) ** 2 / (count * expected[each]) for each in possible)
    freedom = len(possible) - 1
    assert distance < freedom + 4 * math.sqrt(2 * freedom)  # four standard deviations of a chi-square above its mean


def test_a_seed_decides():
    once, again = (draw([3] * 200, [5] * 200, seeds=[seed] * 200) for seed in (8, 9))
    assert len(set(answers(once))) == len(set(answers(again))) == 1
    assert len(set(answers(draw([3] * 200, [5] * 200, seeds=range(200))))) > 20


def test_inside_a_saved_model(traced, tmp_path):
    module = tf.Module()
    module.functions = traced
    signatures = {
        search: tf.function(
            lambda models, limits, seeds, search=search: traced[search](models, limits, seeds)._asdict(),
            input_signature=function.input_signature,
            autograph=False,
        )
        for search, function in traced.items()
    }
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    loaded = tf.saved_model.load(str(tmp_path)).signatures
    rows = [(model, 8, model) for model in MODEL_IDS]
    models, limits, seeds = zip(*rows, strict=True)
    for search, function in traced.items():
        result = loaded[search](models=tf.constant(models), limits=tf.constant(limits), seeds=tf.constant(seeds, tf.int64))
        assert_same(decoding.Decoded(**result), decode_rows(function, rows))


def test_outside_a_function():
    step = step_of(TABLES[4])
    every = {"start": START, "end": END, "limits": tf.constant(LIMITS)}
    for name, search in SEARCHES.items():
        assert_same(search(step, *inputs(MODEL_IDS), **every), run(SEARCHES[name], MODEL_IDS, LIMITS))
