"""Latency of artefacts, called as a server would: of each that is published, and of one against the stock Keras export.

    python benchmarks/serving/latency.py                    # 2 CPU cores: about 3 minutes
    python benchmarks/serving/latency.py --shipped-only     # half a minute

First one call of each published artefact with an example of its card, alone: results/latency_shipped_cpu.csv. Then
imdb_sentiment against the stock Keras export of the same architecture, weights and preprocessing: both are SavedModels with
the same signature over raw text, reloaded; they differ in the recurrent layers alone: `zoo.layers` under `export_scope` against
`keras.layers`. Calls take turns, and medians are compared. Writes results/latency_cpu.csv.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from unittest import mock

import tensorflow as tf
import tyro

import zoo
from zoo.artefacts import find
from zoo.artefacts import save as saving
from zoo.data.film_reviews import film_reviews
from zoo.layers import recurrent

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import WARM_UP, machine, medians, write


def stock_export(task, directory) -> None:
    """Saves a task the way Keras would: each zoo layer runs the loop of the Keras layer that it is."""
    module = tf.Module()
    module.weights = [weight.value for weight in task.model.weights]
    module.resources = list(task.resources)
    with mock.patch.object(recurrent._Kernel, "fallback_reason", lambda _: "the stock layer is asked for"):
        tf.saved_model.save(module, str(directory), signatures=task.signatures())


def shipped(calls) -> list[dict]:
    """A row for each published artefact: one call of its `serving_default` with the first example of its card."""
    rows = []
    for name, directory in find.artefacts().items():
        model, before = zoo.load(directory), os.getloadavg()[0]
        ms = medians({name: partial(model.predict, [model.card["examples"][0]["input"]])}, calls, warm_up=30, seconds=4)
        row = {"artefact": name, "version": directory.name, "ms": f"{ms[name]:.3g}", "machine": machine()}
        rows.append(row | {"load_before": f"{before:.1f}"})  # of other work: what is measured beside it takes longer
    return rows


def against_stock(artefact, words, calls) -> list[dict]:
    """Rows of one artefact and its stock Keras export at batch 1, 8, 32 and 64."""
    task, ours, rows = zoo.load_task(artefact), zoo.load(artefact), []
    with tempfile.TemporaryDirectory() as directory:
        stock_export(saving.for_export(task), directory)
        stock = tf.saved_model.load(directory)
        functions = {"zoo": ours.signatures["serving_default"], "stock": stock.signatures["serving_default"]}
        # what both have in common, to see how much of the ratio it hides
        text_spec = tf.TensorSpec([None], tf.string, name="text")
        functions["encoding"] = tf.function(lambda text: task.inputs(text), input_signature=[text_spec], autograph=False)
        content = " ".join(text for text, _ in film_reviews(train=400)["train"]).split()
        for batch in (1, 8, 32, 64):
            inputs = tf.constant([" ".join(content[i * words : (i + 1) * words]) for i in range(batch)])
            answers = [functions[name](text=inputs)["probabilities"] for name in ("zoo", "stock")]
            difference = float(tf.reduce_max(tf.abs(answers[0] - answers[1])))
            calling = {name: partial(function, text=inputs) for name, function in functions.items()}
            ms = medians(calling, calls, warm_up=WARM_UP if batch == 1 else 3)
            row = {"artefact": artefact, "units": task.model.built_by.arguments.get("units"), "words": words, "batch": batch}
            row |= {"zoo_ms": round(ms["zoo"], 2), "stock_keras_ms": round(ms["stock"], 2)}
            row |= {"of_which_encoding_ms": round(ms["encoding"], 2), "ratio": round(ms["stock"] / ms["zoo"], 2)}
            rows.append(row | {"largest_difference": f"{difference:.1e}"})
            print(rows[-1], flush=True)
    return rows


def main(artefact: str = "imdb_sentiment", words: int = 200, calls: int = 41, shipped_only: bool = False):
    """Times them, and writes the tables.

    Args:
        artefact: Name or path of the artefact that is compared with stock Keras; one that reads a text.
        words: Of a text.
        calls: Of each kind, and of each batch size.
        shipped_only: Only the first table.
    """
    write("latency_shipped_cpu", shipped(calls))
    if not shipped_only:
        write("latency_cpu", against_stock(artefact, words, calls))


if __name__ == "__main__":
    tyro.cli(main)
