"""Images to texts: a convolutional encoder keeps a grid, a recurrent decoder looks at it word by word."""

import functools

import keras
import tensorflow as tf

from zoo import decoding, metrics
from zoo import layers as zoo_layers
from zoo.errors import ZooError
from zoo.layers import checks
from zoo.layers.attention import ATTENTIONS
from zoo.layers.decoder import make_decoder
from zoo.preprocessing import Images, SubWords, at_least_one
from zoo.registry import register_model
from zoo.tasks import Writer, shared, signature
from zoo.tasks.writer import shifted

ENCODERS = ("convolutional", "efficientnet_lite0")


@register_model(mapping="one_to_many")
def image_captioner(
    *,
    vocabulary_size,
    image_size=192,
    encoder="convolutional",
    cell="gru",
    units=256,
    layers=2,
    embedding_dim=None,
    attention="multiplicative",
    dropout=0.0,
):
    """Describes an image: convolutional encoder, attention over its grid, decoder.

    Args:
        vocabulary_size: number of token ids; 0 is padding.
        image_size: height and width of the images in pixels, a multiple of 32.
        encoder: "convolutional", learnt with the rest, a grid of a sixteenth of the image's size; or "efficientnet_lite0",
            not trainable, a grid of a thirty-second, see `zoo.layers.load_imagenet`.
        cell: "rnn", "gru", "lstm" or "transformer", of the decoder.
        units: width of the decoder.
        layers: its depth.
        embedding_dim: width of the token vectors; `units` if None, and always for a transformer.
        attention: "multiplicative" or "additive"; a transformer has its own.
        dropout: share of the features dropped in training.

    Returns:
        A `keras.Model`: `image` float32 [N, image_size, image_size, 3], RGB from 0 to 1, and `target` int32 [N, T] (the tokens
        before each step), right-padded with 0 → a dict of `logits` float32 [N, T, vocabulary_size] and the weights of the
        attention over the grid, row by row, `attention` float [N, T, S]. `target` may have K rows for each image, one after
        the other, and so have the outputs then.

    Raises:
        ZooError: if an argument is out of range.

    Source: Xu et al. 2015, "Show, Attend and Tell", with Luong's order of recurrence and attention (see `zoo.layers.Decoder`).
    """
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.one_of(encoder=(encoder, ENCODERS), attention=(attention, ATTENTIONS))
    checks.at_least(vocabulary_size=(vocabulary_size, SubWords.RESERVED + 1), embedding_dim=(embedding_dim, 1))
    if image_size < 32 or image_size % 32:
        raise ZooError(f"image_size must be a multiple of 32, not {image_size}.")
    image = keras.Input((image_size, image_size, 3), name="image")
    target = keras.Input((None,), dtype="int32", name="target")
    make = zoo_layers.efficientnet_lite0 if encoder == "efficientnet_lite0" else _convolutional
    grid = make(image_size, name="encoder")(image)
    x = keras.layers.Reshape((-1, grid.shape[-1]), name="grid")(grid)
    x = keras.layers.Dropout(dropout, name="grid_dropout")(x)
    memory = keras.layers.Dense(units, activation="relu", name="memory")(x)
    memory = keras.layers.Dropout(dropout, name="memory_dropout")(memory)
    each = zoo_layers.RepeatRows(name="repeat")(memory, target)
    options = {"embedding_dim": embedding_dim or units, "attention": attention, "dropout": dropout}
    decoder = make_decoder(vocabulary_size, cell=cell, units=units, layers=layers, **options)
    logits, weights = decoder(target, each)
    return keras.Model({"image": image, "target": target}, {"logits": logits, "attention": weights}, name="image_captioner")


def _convolutional(image_size, *, name):
    """A small encoder to learn from scratch: images [N, size, size, 3] → [N, size/16, size/16, 256]."""
    x = image = keras.Input((image_size, image_size, 3), name="pictures")
    for depth, width in enumerate((32, 64, 128, 256)):
        # the batch norm has a bias
        x = keras.layers.Conv2D(width, 3, 2, padding="same", use_bias=False, name=f"{name}_conv_{depth}")(x)
        x = keras.layers.BatchNormalization(name=f"{name}_norm_{depth}")(x)
        x = keras.layers.ReLU(name=f"{name}_relu_{depth}")(x)
    return keras.Model(image, x, name=name)


class ImageCaptioner(Writer):
    """Images to captions in lower case without punctuation, around an `image_captioner` model.

    Args:
        model: from `create_model("image_captioner", ...)`.
        words: the vocabulary of the captions, of the model's size.
        label_smoothing: see `TokenCrossentropy`.
        length_penalty: exponent of the length in the ranking of hypotheses; 0 prefers short ones.
        examples: PNG or JPEG files, bytes, for the warm-up, the card and the tests.
    """

    codecs = {"words": SubWords}  # noqa: RUF012 - read only
    measure = staticmethod(metrics.captioning)

    def __init__(self, model, words, *, examples, label_smoothing=0.0, length_penalty=1.0):
        super().__init__(model, examples, words=words, label_smoothing=label_smoothing, length_penalty=length_penalty)
        size = model.get_layer("image").output.shape[1]
        self.images = Images(size, size, 3)
        self.encoder = model.get_layer("encoder")
        self.is_frozen = not self.encoder.trainable_variables
        self.terms = zoo_layers.efficientnet.TERMS if self.is_frozen else ""

    @property
    def takes(self):
        """See `Task.takes`."""
        return {"image_bytes": tf.TensorSpec([], tf.string), "captions": tf.TensorSpec([None], tf.string)}

    def unreadable(self, values):
        """See `Task.unreadable`."""
        return self.images.unreadable(values)

    @staticmethod
    def sentences(_, captions):
        """An image and its captions, string [K] → a data set of the captions as they are learnt."""
        return tf.data.Dataset.from_tensor_slices(plain(captions))

    def encode_example(self, image_bytes, captions):
        """(files, captions [N, K]) → (images, or grids if the encoder is not trained; tokens [N, K, T]), targets [N, K, T]."""
        images, _ = self.images(image_bytes)
        # float16 halves the memory of the cache, and 1/255 of an image or 1/1000 of a feature is no loss
        images = tf.cast(self.encoder(images, training=False) if self.is_frozen else images, tf.float16)
        before, after = shifted(self.words, plain(tf.reshape(captions, [-1])))
        room = [[0, 0], [0, self.words.limit + 1 - tf.shape(before)[1]]]
        shape = [*tf.unstack(tf.shape(captions)), self.words.limit + 1]
        before, after = (tf.reshape(tf.pad(ids, room), shape) for ids in (before, after))
        return {"image": images, "target": before}, after

    def finish_batch(self, inputs, targets):
        """Captions as rows of their own, those of an image one after the other, no longer than the longest one."""
        used = tf.reduce_max(tf.reduce_sum(tf.cast(targets != 0, tf.int32), axis=2))
        before, targets = (tf.reshape(ids[..., :used], [-1, used]) for ids in (inputs["target"], targets))
        return {"image": inputs["image"], "target": before}, targets

    @functools.cached_property
    def trained(self):
        """The model without the weights of the attention; behind the encoder, if that is not trained."""
        target = self.model.input["target"]
        seen = self.model.get_layer("grid").input if self.is_frozen else self.model.input["image"]
        rest = keras.Model([seen, target], self.model.output["logits"])
        inputs = {
            tensor.name: tensor
            for tensor in (keras.Input(seen.shape[1:], name="image"), keras.Input((None,), dtype="int32", name="target"))
        }
        return keras.Model(inputs, rest(list(inputs.values())))

    # A `score` is the natural log of a caption's probability, its end included unless it was cut at its limit.

    @signature(image_bytes=tf.string)
    def serving_default(self, image_bytes):
        """File → caption, score, error."""
        memory, error = self._read(image_bytes)
        return self._answer(self._search(memory, error).best, error)

    @signature(image_bytes=tf.string)
    def greedy(self, image_bytes):
        """The same by the likeliest token at each step."""
        memory, error = self._read(image_bytes)
        return self._answer(self._write(memory, error), error)

    @signature(
        image_bytes=tf.string,
        seed=(tf.int32, 0),
        temperature=(tf.float32, 1.0),
        top_k=(tf.int32, 0),
        top_p=(tf.float32, 0.9),
    )
    def sample(self, image_bytes, seed, temperature, top_k, top_p):
        """The same drawn by the probabilities; see `zoo.decoding.sample`."""
        memory, error = self._read(image_bytes)
        options = {"seeds": seed, "temperature": temperature, "top_k": top_k, "top_p": top_p}
        return self._answer(self._write(memory, error, search=decoding.sample, **options), error)

    @signature(image_bytes=tf.string)
    def attention(self, image_bytes):
        """The same with the weights of the grid's rows and columns at each token."""
        memory, error = self._read(image_bytes)
        best = self._search(memory, error).best
        weights = tf.where((error == "")[:, None, None], self.attended(memory, _everywhere(memory), best), 0.0)
        shape = [*tf.unstack(tf.shape(weights)[:2]), *self.encoder.output.shape[1:3]]
        return self._answer(best, error) | {
            "tokens": tf.where((error == "")[:, None], self.tokens(best), ""),
            "weights": tf.reshape(weights, shape),
        }

    def _answer(self, decoded, error):
        return {"caption": self.words.decode(decoded.tokens), "score": decoded.log_probs, "error": error}

    @shared(image_bytes=tf.string)
    def _read(self, image_bytes):
        """Files [N] → the memory of each, float [N, S, M], and errors [N]."""
        count = tf.shape(image_bytes)[0]
        images, error = self.images(at_least_one(image_bytes))
        return self.remember("image", images)[:count], error[:count]

    @shared(memory=lambda task: task.memory, error=tf.string)
    def _search(self, memory, error):
        return self.beams(memory, _everywhere(memory), self._limits(error))

    def _write(self, memory, error, **options):
        return self.write(memory, _everywhere(memory), limits=self._limits(error), **options)

    def _limits(self, error):
        """Most tokens of each caption: it is empty where there is an error."""
        return tf.where(error == "", self.words.limit, 0)


def _everywhere(memory):
    """The mask of a memory without padding: float [N, S, M] → bool [N, S]."""
    return tf.ones(tf.shape(memory)[:2], tf.bool)


def plain(captions):
    """Captions as they are learnt and scored, string [N] → string [N]: lower case, words and digits alone, single spaces."""
    captions = tf.strings.lower(captions, encoding="utf-8")
    captions = tf.strings.regex_replace(captions, r"[^\p{L}\p{M}\p{N}']+", " ")
    return tf.strings.strip(captions)
