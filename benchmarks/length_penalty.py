"""BLEU on validation by the exponent of the length in beam search's ranking, for the artefacts that write texts.

    python benchmarks/length_penalty.py --data-dir DIR                    # about 3 minutes

Writes results/length_penalty.csv.
"""

from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
import tyro
from rich.progress import track
from sacrebleu.metrics import BLEU
from table import write

import zoo
from zoo.metrics import _columns, _plain

PENALTIES = (0.0, 0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Options:
    """What to compare."""

    # Directory of prepared data.
    data_dir: Path
    # Names or paths of artefacts.
    artefacts: tuple[str, ...] = ("spanish_to_english", "flickr8k_captioning")
    # Examples of the validation split, evenly taken.
    examples: int = 250


def main(options: Options):
    """Answers the same examples with each exponent, and writes the table."""
    rows = []
    for name in options.artefacts:
        facts = zoo.load(name).card
        splits = getattr(zoo.data, facts["data"]["loader"])(zoo.RunConfig(data="real", data_dir=options.data_dir))
        every = max(splits.sizes["validation"] // options.examples, 1)
        inputs, references = zip(*list(splits.validation.as_numpy_iterator())[::every][: options.examples], strict=True)
        captions = facts["task"]["class"] == "ImageCaptioner"  # scored in lower case, without punctuation
        references = [[_plain(text.decode()) for text in texts] if captions else [texts] for texts in references]
        task = zoo.load_task(name)
        for penalty in PENALTIES:
            task.length_penalty = penalty
            answer = task.signatures()["serving_default"]
            written = []
            for start in track(range(0, len(inputs), 50), description=f"{name}, {penalty}"):
                outputs = answer(tf.constant(inputs[start : start + 50]))
                written += [text.decode() for text in outputs["caption" if captions else "translation"].numpy()]
            bleu = BLEU(tokenize="none") if captions else BLEU()
            score = bleu.corpus_score([_plain(text) for text in written] if captions else written, _columns(references))
            rows.append(
                {
                    "artefact": name,
                    "length_penalty": penalty,
                    "validation BLEU": round(score.score, 2),
                    "length, of that of the references": round(score.sys_len / score.ref_len, 3),
                    "examples": len(inputs),
                }
            )
    write("length_penalty", rows)


if __name__ == "__main__":
    main(tyro.cli(Options))
