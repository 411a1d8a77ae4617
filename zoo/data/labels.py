"""Class numbers mean names: those of a data set and those of a task are compared by them, never by their order."""

import tensorflow as tf

from zoo.errors import ZooError


def renumbered(examples: tf.data.Dataset, labels, wanted, advice: str = "") -> tf.data.Dataset:
    """The same examples, their class numbers those of another order of the same names.

    Args:
        examples: raw, unbatched; the last component is the class number.
        labels: names that the numbers stand for.
        wanted: the same names in the order to number them; none where the answers are no classes.
        advice: what to do where the names are others.

    Raises:
        ZooError: if they are not the same names.
    """
    labels, wanted = tuple(map(str, labels)), tuple(map(str, wanted))
    if labels == wanted or not wanted:
        return examples
    if set(labels) != set(wanted) or len(labels) != len(wanted):
        raise ZooError(
            f"The data have {_classes(labels)}, the model has {_classes(wanted)}. Classes are compared by their names, which "
            f"have to be the same, in whatever order.{advice and f' {advice}'}"
        )
    numbers = tf.constant([wanted.index(label) for label in labels], tf.int64)
    return examples.map(lambda *example: (*example[:-1], tf.gather(numbers, tf.cast(example[-1], tf.int64))))


def _classes(labels) -> str:
    if not labels:
        return "no named classes"
    shown = ", ".join(map(repr, labels[:20])) + (", ..." if len(labels) > 20 else "")
    return f"{len(labels)} classes ({shown})"
