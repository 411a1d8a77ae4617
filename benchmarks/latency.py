"""Latency of an artefact against the stock Keras export of the same architecture, weights and preprocessing, in one run.

    python benchmarks/latency.py                    # about 2 minutes

Both are SavedModels with the same signature over raw text, reloaded and called as a server would; they differ in the
recurrent layers alone: `zoo.layers` under `export_scope` against `keras.layers`. Calls alternate between the two, and
medians are compared: the machine's mood then hits both. Writes results/latency_cpu.csv.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass
from unittest import mock

import tensorflow as tf
import tyro
from rich.progress import track
from table import write

import zoo
from zoo.artefacts import save as saving
from zoo.data.film_reviews import film_reviews
from zoo.layers import recurrent

WARM_UP = 100  # calls; what TensorFlow's executor believes an op to cost settles only after about 90


@dataclass(frozen=True)
class Options:
    """What to time."""

    # Name or path of the artefact.
    artefact: str = "imdb_sentiment"
    # Words of a text.
    words: int = 200
    # Calls of each kind a batch size.
    calls: int = 41


def stock_export(task, directory) -> None:
    """Saves a task the way Keras would: each zoo layer runs the loop of the Keras layer that it is."""
    module = tf.Module()
    module.weights = [weight.value for weight in task.model.weights]
    module.resources = list(task.resources)
    with mock.patch.object(recurrent._Kernel, "fallback_reason", lambda _: "the stock layer is asked for"):
        tf.saved_model.save(module, str(directory), signatures=task.signatures())


def main(options: Options):
    """Times both at batch 1, 8, 32 and 64, and writes the table."""
    task = zoo.load_task(options.artefact)
    units = task.model.built_by.arguments.get("units")
    ours = zoo.load(options.artefact)
    with tempfile.TemporaryDirectory() as directory:
        stock_export(saving.for_export(task), directory)
        stock = tf.saved_model.load(directory)
        functions = {"zoo": ours.signatures["serving_default"], "stock": stock.signatures["serving_default"]}
        # what both have in common, to see how much of the ratio it hides
        text_spec = tf.TensorSpec([None], tf.string, name="text")
        functions["encoding"] = tf.function(task.encode, input_signature=[text_spec], autograph=False)
        words = " ".join(text for text, _ in film_reviews(train=400)["train"]).split()
        rows = []
        for batch in (1, 8, 32, 64):
            texts = [" ".join(words[i * options.words : (i + 1) * options.words]) for i in range(batch)]
            inputs = tf.constant(texts)
            answers = [functions[name](text=inputs)["probabilities"] for name in ("zoo", "stock")]
            difference = float(tf.reduce_max(tf.abs(answers[0] - answers[1])))
            times = {name: [] for name in functions}
            before = WARM_UP if batch == 1 else 3
            for call in track(range(options.calls + before), description=f"batch {batch}"):
                for name, function in functions.items():
                    start = time.perf_counter()
                    function(text=inputs)
                    if call >= before:
                        times[name].append(1e3 * (time.perf_counter() - start))
            medians = {name: statistics.median(values) for name, values in times.items()}
            rows.append(
                {
                    "artefact": options.artefact,
                    "units": units,
                    "words": options.words,
                    "batch": batch,
                    "zoo_ms": round(medians["zoo"], 2),
                    "stock_keras_ms": round(medians["stock"], 2),
                    "of_which_encoding_ms": round(medians["encoding"], 2),
                    "ratio": round(medians["stock"] / medians["zoo"], 2),
                    "largest_difference": f"{difference:.1e}",
                }
            )
            print(rows[-1], flush=True)
    write("latency_cpu", rows)


if __name__ == "__main__":
    main(tyro.cli(Options))
