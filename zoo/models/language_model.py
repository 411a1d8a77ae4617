"""What comes next in a text: a causal stack that carries its state from window to window; generation, scores, single steps."""

import keras
import numpy as np
import tensorflow as tf

from zoo import decoding
from zoo.layers import checks
from zoo.layers.carried import BeginAnew, CarriedRecurrence, CarriedTransformer
from zoo.losses import TokenAccuracy, TokenCrossentropy
from zoo.preprocessing import Codec, SubWords
from zoo.preprocessing.characters import Characters
from zoo.preprocessing.subwords import MARK
from zoo.registry import register_model
from zoo.tasks import Monitor, Task, shared, signature
from zoo.tasks.base import weights_read_once
from zoo.tasks.writer import allowed, shifted

EXAMPLES = (
    "ROMEO:\n",
    "First Citizen:\nBefore we proceed any further, hear me speak.\n",
    "KING RICHARD III:\nNow is the winter of ",
)

LIMIT = 2**24  # tokens of a text that is trained on
SCORED = 2**17  # that are scored, of which each takes about a millisecond
PROMPT = 2**11  # of a prompt that are read, the last ones; what was before has little to say of what comes
LONGEST = 2**13  # that are written at most
CHARACTERS = "characters.txt"
IDS = tf.TensorSpec([None], tf.int32)  # of one row
WINDOW = 256  # that are read at once: a long text takes time, but no more memory


@register_model(mapping="many_to_many")
def language_model(
    *,
    vocabulary_size,
    cell="lstm",
    units=512,
    layers=2,
    embedding_dim=None,
    tied=True,
    context=128,
    dropout=0.0,
    weight_dropout=0.0,
    state_dropout=0.0,
):
    """Foresees the next token of a text at every step, and goes on where it stopped: embedding, causal stack, logits.

    Args:
        vocabulary_size: number of token ids; 0 is padding.
        cell: "rnn", "gru", "lstm" or "transformer".
        units: width of the stack.
        layers: its depth.
        embedding_dim: width of the token vectors; `units` if None, and always for a transformer.
        tied: the token vectors are the output layer too (Press & Wolf 2017).
        context: of a transformer: how many steps back each of its blocks sees.
        dropout: share of the features dropped in training, between and above the layers.
        weight_dropout: share of the recurrent weights that are zero for a window of training; a transformer has none.
        state_dropout: share of the rows that forget, at the beginning of a window of training, all that was before it.

    Returns:
        A `keras.Model`: a dict of `tokens` int32 [N, T], right-padded with 0, and `state` float32 [N, S], zeros at the
        beginning of a text → a dict of `logits` float32 [N, T, vocabulary_size] of what comes after each token, and the `state`
        after the last one that is no padding.

    Raises:
        ZooError: if an argument is out of range.

    Source: Mikolov et al. 2010; Zaremba et al. 2014 for the dropout; see `zoo.layers.carried` for the state.
    """
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.share(weight_dropout=weight_dropout, state_dropout=state_dropout)
    checks.at_least(
        vocabulary_size=(vocabulary_size, SubWords.RESERVED + 1), embedding_dim=(embedding_dim, 1), context=(context, 1)
    )
    if cell == "transformer":
        width, stack = units, CarriedTransformer(units, layers, context, dropout / 4, name="stack")
    else:
        width, stack = embedding_dim or units, CarriedRecurrence(cell, units, layers, dropout, weight_dropout, name="stack")
    inputs = {
        "tokens": keras.Input((None,), dtype="int32", name="tokens"),
        "state": keras.Input((stack.state_size,), name="state"),
    }
    tokens, state = BeginAnew(state_dropout, SubWords.START, name="begin_anew")(inputs["tokens"], inputs["state"])
    # what is read is of size 1 and the logits are small at the start, though both have the same vectors (Vaswani et al. 2017)
    options = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=width**-0.5), "tie_weights": tied}
    embedding = keras.layers.ReversibleEmbedding(vocabulary_size, width, **options, name="embedding")
    x = keras.layers.Rescaling(width**0.5, name="scale")(embedding(tokens))
    lengths = keras.ops.sum(keras.ops.cast(keras.ops.not_equal(tokens, 0), "int32"), axis=1)
    x, state = stack(x, state, lengths)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    if width != units:
        x = keras.layers.Dense(width, name="narrow")(x)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(embedding(x, reverse=True))
    return keras.Model(inputs, {"logits": logits, "state": state}, name="language_model")


class _Pieces(Codec):
    """Characters or sub-words: the name of its file tells which a vocabulary is of."""

    @classmethod
    def from_config(cls, config, assets):
        """See `Codec.from_config`."""
        return (Characters if config["file"] == CHARACTERS else SubWords).from_config(config, assets)


class LanguageModel(Task):
    """Texts to what comes next in them, around a `language_model` model.

    Args:
        model: from `create_model("language_model", ...)`.
        words: the vocabulary, `Characters` (in a file "characters.txt") or `SubWords`, of the model's size; its limit is that
            of a text that is trained on.
        length: tokens that `serving_default` writes at most.
        temperature: that it draws with; 0 takes the likeliest always, which soon repeats itself.
        examples: prompts for the warm-up, the card and the tests.
    """

    codecs = {"words": _Pieces}  # noqa: RUF012 - read only
    options = ("length", "temperature")
    monitor = Monitor("loss", "min")
    stored_in_float16 = True
    carried = ("state",)

    def __init__(self, model, words, *, length=300, temperature=0.8, examples=EXAMPLES):
        super().__init__(model, examples, words=words, length=length, temperature=temperature)
        self.state_size = model.input["state"].shape[-1]

    @staticmethod
    def characters(texts) -> Characters:
        """The characters of a `tf.data.Dataset` of string scalars, the training split."""
        return Characters.fit(texts, limit=LIMIT, file=CHARACTERS)

    @staticmethod
    def sub_words(texts, *, size: int) -> SubWords:
        """The sub-words of a `tf.data.Dataset` of string scalars, the training split, so many at most."""
        return SubWords.fit(texts, size=size, limit=LIMIT)

    @property
    def rows(self):
        """See `Task.rows`."""
        return {"embedding/embeddings": (self.words.file, SubWords.RESERVED)}

    @property
    def bound(self):
        """See `Task.bound`: an output layer of its own has a column for each token."""
        return {} if self.model.get_layer("embedding").tie_weights else {"embedding": self.words.file}

    @property
    def takes(self):
        """See `Task.takes`: a text, and the name of the part that it is of, "" for the split itself."""
        return {"text": tf.TensorSpec([], tf.string), "part": tf.TensorSpec([], tf.string)}

    def encode_example(self, text, part):
        """Texts → their tokens behind a start, int32 [N, T + 1], and what comes after each, the end being the last."""
        before, after = shifted(self.words, text)
        return {"tokens": before}, after

    def losses(self):
        """See `Task.losses`: nats a token."""
        return TokenCrossentropy()

    def metrics(self):
        """Share of the tokens that were foreseen."""
        return [TokenAccuracy()]

    def requests(self, signature):
        """See `Task.requests`; a state is that of a beginning."""
        requests = super().requests(signature)
        states = {"state": np.zeros([len(self.examples), self.state_size], "float32")}
        return requests | (states if "state" in requests else {})

    @signature(prompt=tf.string)
    def serving_default(self, prompt):
        """Prompt → a text that goes on from it, without it; the same one always, since the prompt is its seed."""
        rows = tf.shape(prompt)[0]
        options = {"length": self.length, "temperature": float(self.temperature), "top_k": 0, "top_p": 1.0}
        options = {name: tf.fill([rows], value) for name, value in options.items()}
        return self.generate(prompt, **options, seed=tf.strings.to_hash_bucket_fast(prompt, 2**31))

    @signature(
        prompt=tf.string,
        length=(tf.int32, 20),
        temperature=(tf.float32, 0.8),
        top_k=(tf.int32, 0),
        top_p=(tf.float32, 0.95),
        seed=(tf.int64, 0),
    )
    def generate(self, prompt, length, temperature, top_k, top_p, seed):
        """Prompt → a text that goes on from it, without it, drawn as the options say: see `zoo.decoding.sample`.

        It ends before its length, in tokens, where the model thinks that the text does. A row's text depends on its own prompt,
        options and seed alone.
        """
        return {"text": self._written(prompt, tf.minimum(length, LONGEST), temperature, top_k, top_p, seed)}

    @signature(text=tf.string)
    def score(self, text):
        """Text → the natural log of its probability, its tokens, and the log of each one's: what comes after it is left open.

        The probability of a whole file is that of its first tokens, see `SCORED`; `tokens` says how many they are.
        """
        tokens = self.words(text)[:, :SCORED]
        lengths = tf.reduce_sum(tf.cast(tokens != 0, tf.int32), axis=1)
        before = tf.pad(tokens, [[0, 0], [1, 0]], constant_values=SubWords.START)[:, :-1]
        log_probs, _ = self._read(before, lengths, tokens)
        return {"log_prob": tf.reduce_sum(log_probs, axis=1), "tokens": lengths, "log_probs": log_probs}

    @signature(prompt=tf.string)
    def read(self, prompt):
        """Prompt → logits of what comes next, and the state, from which `step` goes on."""
        tokens, state = self._prompted(prompt)
        return dict(zip(("logits", "state"), self._next(tokens, state), strict=True))

    @signature(token=(tf.int32, SubWords.START), state=(lambda task: tf.TensorSpec([task.state_size], tf.float32), 0))
    def step(self, token, state):
        """A token and the state before it → what it stands for, logits of what comes next, and the state after it.

        Before the first token of a text, the start (2), the state is all zeros.
        """
        logits, state = self._next(tf.clip_by_value(token, 0, self.words.size - 1), state)
        return {"piece": self._texts(token[:, None]), "logits": logits, "state": state}

    @shared(prompt=tf.string, length=tf.int32, temperature=tf.float32, top_k=tf.int32, top_p=tf.float32, seed=tf.int64)
    def _written(self, prompt, length, temperature, top_k, top_p, seed):
        lasts, state = self._prompted(prompt)  # outside of what follows: another function that reads the weights
        with weights_read_once(self.model):

            def step(tokens, position, state, lasts):
                logits, state = self._next(tf.where(position == 0, lasts, tokens), state)
                return allowed(logits), state

            options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seeds": seed}
            marks = {"start": SubWords.START, "end": SubWords.END}
            return self._texts(decoding.sample(step, state, lasts, limits=length, **marks, **options).tokens)

    def _prompted(self, prompt):
        """Prompts, string [N] → the last token of each, int32 [N], and the state before it, float [N, S]."""
        tokens = self.words(prompt)
        lengths = tf.reduce_sum(tf.cast(tokens != 0, tf.int32), axis=1)
        first = tf.maximum(lengths - PROMPT, 0)[:, None]
        lengths = tf.minimum(lengths, PROMPT)
        tokens = tf.gather(
            tf.pad(tokens, [[0, 0], [0, PROMPT]]), first + tf.range(tf.reduce_max(tf.pad(lengths, [[0, 1]]))), batch_dims=1
        )
        tokens = tf.pad(tokens, [[0, 0], [1, 0]], constant_values=SubWords.START)
        _, state = self._read(tokens, lengths, tokens)
        return tf.gather(tokens, lengths, batch_dims=1), state

    @shared(tokens=IDS, lengths=tf.int32, after=IDS)
    def _read(self, tokens, lengths, after):
        """Reads texts window by window from their beginning.

        Args:
            tokens: int32 [N, T].
            lengths: how many of each row are read, int32 [N].
            after: the token after each, int32 [N, T].

        Returns:
            Log-probabilities of these, float [N, T], 0 beyond the lengths, and the state of each row at its end, float [N, S].
        """
        rows, steps = tf.unstack(tf.shape(tokens))

        def window(start, log_probs, state):
            inside = slice(start, start + WINDOW)
            x = self._embedded(tokens[:, inside])
            x, state = self.model.get_layer("stack")(x, state, lengths=tf.clip_by_value(lengths - start, 0, tf.shape(x)[1]))
            found = tf.gather(tf.nn.log_softmax(self._logits(x)), after[:, inside], axis=2, batch_dims=2)
            return start + WINDOW, tf.concat([log_probs, found], axis=1), state

        with weights_read_once(self.model):
            _, log_probs, state = tf.while_loop(
                lambda start, *_: start < steps,
                window,
                (0, tf.zeros([rows, 0]), tf.zeros([rows, self.state_size])),
                shape_invariants=(*map(tf.TensorShape, ([], [None, None], [None, self.state_size])),),
                parallel_iterations=1,
            )
        return tf.where(tf.sequence_mask(lengths, steps), log_probs, 0.0), state

    def _next(self, tokens, state):
        """One step: tokens int32 [N], state float [N, S] → logits float [N, V], state."""
        x, state = self.model.get_layer("stack").step(self._embedded(tokens), state)
        return self._logits(x), state

    def _texts(self, tokens):
        """Tokens int32 [N, T] → texts, string [N], with the space before a first word: they go on from others."""
        texts = tf.strings.reduce_join(self.words.pieces(tokens), axis=1)
        return tf.strings.regex_replace(texts, MARK, " ") if isinstance(self.words, SubWords) else texts

    def _embedded(self, tokens):
        return self.model.get_layer("scale")(self.model.get_layer("embedding")(tokens))

    def _logits(self, x):
        if any(layer.name == "narrow" for layer in self.model.layers):
            x = self.model.get_layer("narrow")(x)
        return self.model.get_layer("embedding")(x, reverse=True)

    @staticmethod
    def measure(model, test) -> dict[str, dict]:
        """Nats a character of the test texts, the state being carried through each, and bits; the lower the better.

        Args:
            model: from `zoo.load`, with a signature `score`.
            test: `tf.data.Dataset` of (text, part), unbatched.

        Returns:
            Name → score: those of part "" first. The intervals are bootstrapped (1,000 samples, percentiles) from blocks of 500
            tokens, since what stands in one sentence is no news of its own.
        """
        found = {}
        for text, part in test.as_numpy_iterator():
            text = text.decode("utf-8", "replace")
            for start in range(0, len(text), SCORED):
                found.setdefault(part.decode(), []).append(_blocks(model, text[start : start + SCORED]))
        scores = {}
        for part in sorted(found):
            nats, characters = np.concatenate(found[part], axis=1)
            random = np.random.default_rng(12345)
            samples = random.integers(0, len(nats), (1000, len(nats)))
            means = nats[samples].sum(axis=1) / characters[samples].sum(axis=1)
            values = [nats.sum() / characters.sum(), *np.percentile(means, (2.5, 97.5))]
            for unit, scale in (("nats", 1), ("bits", np.log(2))):
                score = {name: float(value / scale) for name, value in zip(("value", "low", "high"), values, strict=True)}
                scores[f"{unit} a character{part and ', ' + part}"] = score | {"n": int(characters.sum())}
        return scores


def _blocks(model, text: str):
    """Nats of each block of 500 tokens of a text, and its characters, float [2, blocks]."""
    (answer,) = model.predict([text], signature="score")
    nats = -np.array(answer["log_probs"])
    parts = [part.sum() for part in np.split(nats, range(500, len(nats), 500))]
    # tokens are not all of one length: each block has its share of the characters
    sizes = [len(part) * len(text) / len(nats) for part in np.split(nats, range(500, len(nats), 500))]
    return np.array([parts, sizes])
