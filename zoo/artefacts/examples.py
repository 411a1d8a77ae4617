"""Examples of a person's own data for the card: few, short, of each class one, and no more of them than a model needs."""

import itertools

import numpy as np
import tensorflow as tf

from zoo.tasks import signatures

MOST, LEAST = 5, 3  # examples
TEXTS, IMAGES = 300, 50  # that they are chosen among
LENGTHS = range(15, 201)  # characters of a text that tells something and is read at a glance
PIXELS = 128  # the larger side of an image


def own_examples(task, examples) -> tuple:
    """Raw inputs of a person's own data in place of a family's, since the card and its code show them.

    Args:
        task: whose `examples` they replace, where these are texts or images; of other kinds the family's stay.
        examples: `tf.data.Dataset` of raw, unbatched examples that nothing was trained on; class numbers those of the task.

    Returns:
        Texts as they are, or lines of them, if the task reads them as one long sequence (`Task.carried`). Images are drawn anew
        and small: what a file tells beside its picture, as of a place, is left out.
    """
    (name, _), *others = signatures.specs(task, "serving_default").items()
    is_text = isinstance(task.examples[0], str)
    if others or not (is_text or name == "image_bytes"):
        return task.examples
    among = TEXTS if is_text else IMAGES
    found, lengths = {}, {}
    some = examples.shard(-(-len(examples) // among), 0).as_numpy_iterator()  # whatever their order
    for raw, *target in _lines(some, among) if task.carried and is_text else some:
        if raw:
            found.setdefault(raw, int(target[-1]) if task.labels else 0)
            lengths[raw] = len(raw.decode("utf-8", "replace")) if is_text else len(raw)
    if not found:
        return task.examples
    usual = np.median(list(lengths.values()))  # the file of an empty image is short

    def rank(raw):
        return (lengths[raw] not in LENGTHS, lengths[raw], raw) if is_text else (abs(lengths[raw] - usual), raw)

    order = sorted(found, key=rank)
    of_class = {found[raw]: raw for raw in reversed(order)}
    chosen = [of_class[number] for number in sorted(of_class)][:MOST]
    chosen += [raw for raw in order if raw not in chosen][: max(LEAST - len(chosen), 0)]
    return tuple(raw.decode("utf-8", "replace") if is_text else _small(raw) for raw in chosen)


def _lines(examples, among: int):
    """Lines of long texts, as examples of so many at most."""
    lines = (line + b"\n" for text, *_ in examples for line in text.split(b"\n") if line.strip())
    return ((line, 0) for line in itertools.islice(lines, among))


def _small(image_bytes: bytes) -> bytes:
    """The content of an image file → that of a PNG file of its pixels alone."""
    pixels = tf.io.decode_image(image_bytes, expand_animations=False)
    if max(pixels.shape[:2]) > PIXELS:
        pixels = tf.image.resize(pixels, [PIXELS, PIXELS], preserve_aspect_ratio=True, antialias=True)
        pixels = tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8)
    return tf.io.encode_png(pixels).numpy()
