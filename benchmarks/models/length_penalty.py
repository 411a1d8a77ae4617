"""BLEU on validation by the exponent of the length in beam search's ranking, for the artefacts that write texts.

    python benchmarks/models/length_penalty.py --data-dir DIR                    # about 3 minutes

Writes results/length_penalty.csv.
"""

import sys
from pathlib import Path

import tensorflow as tf
import tyro
from rich.progress import track
from sacrebleu.metrics import BLEU

import zoo
from zoo.artefacts import find
from zoo.metrics import _columns, _plain

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import write

PENALTIES = (0.0, 0.5, 1.0, 1.5)


def main(data_dir: Path, artefacts: tuple[str, ...] = (), examples: int = 250):
    """Answers the same examples with each exponent, and writes the table.

    Args:
        data_dir: Directory of prepared data.
        artefacts: Names or paths of artefacts that write texts, all published ones by default.
        examples: Examples of the validation split, evenly taken.
    """
    rows = []
    for name in artefacts or find.artefacts():
        facts = zoo.load(name).card
        if "length_penalty" not in facts["task"] or facts["task"]["class"] == "Summarizer":  # chooses it in training
            continue
        splits = getattr(zoo.data, facts["data"]["loader"])(zoo.RunConfig(data="real", data_dir=data_dir))
        every = max(splits.sizes["validation"] // examples, 1)
        inputs, references = zip(*list(splits.validation.as_numpy_iterator())[::every][:examples], strict=True)
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
    tyro.cli(main)
