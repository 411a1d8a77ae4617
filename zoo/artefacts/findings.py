"""What the scores of a card amount to: beside simple answers, class by class, and on how few examples."""

import math
from collections import Counter

from zoo.artefacts.markdown import cell, interval, number, prose

FEW = 100  # test examples below which an interval is wide
COLUMNS = 12  # classes of a confusion table; of more those that are found least are shown
LOWER_IS_BETTER = ("mean squared error", "calibration error")


def remarks(card: dict) -> list[str]:
    """What has to be said of the first score, in sentences; the gravest first, which `is_grave` is asked about."""
    if not card["scores"]:
        return []
    name, score = next(iter(card["scores"].items()))
    sign = -1 if name in LOWER_IS_BETTER else 1
    found = []
    for other, baseline in card.get("baselines", {}).items():
        ahead = sign * (score["value"] - baseline["value"])
        # of two scores that were drawn independently; on the same examples less
        noise = math.hypot(score["high"] - score["low"], baseline["high"] - baseline["low"]) / 2
        values = f"{name} {number(score['value'])}, and {number(baseline['value'])} with {other}"
        if ahead <= 0 and other.startswith("always "):
            found.append((0, f"NO BETTER THAN {other}: {values}. By this score the model is of no use."))
        elif ahead < -noise:
            found.append((1, f"WORSE THAN {other}: {values}. {_HINT}"))
        elif ahead == 0:
            found.append((2, f"As good as {other}: {values}."))
        elif ahead < 0:
            found.append((2, f"No better than {other}: {values}, which is within the noise."))
        elif other.startswith("always ") and sign * (score["low" if sign > 0 else "high"] - baseline["value"]) <= 0:
            found.append((2, f"Not surely better than {other}: {values}, which the interval reaches."))
    if score["n"] < FEW:
        found.append((3, f"Only {score['n']:,} test examples: the interval is wide."))
    return [text for _, text in sorted(found)]


_HINT = "Until it is better, take that: more examples help a network most, and --epochs or another --seed may."


def is_grave(remark: str) -> bool:
    """Whether a remark is to be said loudly."""
    return remark.startswith(("NO BETTER", "WORSE"))


def rendered(card: dict) -> list[str]:
    """The remarks, the baselines and the confusion of a card as lines of Markdown; none of a card that has none."""
    lines = []
    for remark in remarks(card):
        lines += ["", f"**{prose(remark)}**" if is_grave(remark) else prose(remark)]
    if card.get("baselines") and card["scores"]:
        name, score = next(iter(card["scores"].items()))
        lines += ["", "## What else answers", "", "On the same test examples, trained on the same training examples:", ""]
        lines += [f"| | {prose(name)} | 95 % interval |", "|---|---|---|"]
        for other, value in {"this artefact": score, **card["baselines"]}.items():
            lines.append(f"| {prose(other)} | {number(value['value'])} | {interval(value)} |")
    return lines + _confusion(card.get("confusion", ()))


def _confusion(cells) -> list[str]:
    """A table of what each class was taken for; of more than `COLUMNS` classes those with the least recall."""
    counts = Counter()
    for one in cells:
        counts[one["truth"], one["answer"]] += one["count"]
    totals = Counter()
    for (truth, _), count in counts.items():
        totals[truth] += count
    classes = [truth for truth in totals if totals[truth]]
    if not classes:
        return []
    recall = {truth: f"{counts[truth, truth] / totals[truth]:.4f}" for truth in classes}
    answers = dict.fromkeys([*classes, *(answer for _, answer in counts)])
    if len(answers) <= COLUMNS:
        lines = ["", "## Class by class", "", "What each class was taken for, and its recall:", ""]
        lines += [f"| class | {' | '.join(map(cell, answers))} | recall |", f"|{'---|' * (len(answers) + 2)}"]
        for truth in classes:
            row = " | ".join(str(counts[truth, answer]) for answer in answers)
            lines.append(f"| {cell(truth)} | {row} | {recall[truth]} |")
        return lines
    worst = sorted(classes, key=lambda truth: counts[truth, truth] / totals[truth])[:COLUMNS]
    lines = [
        "",
        "## Class by class",
        "",
        f"The {len(worst)} of {len(classes)} classes with the least recall, and what they were taken for:",
        "",
    ]
    lines += ["| class | examples | recall | most often taken for |", "|---|---|---|---|"]
    for truth in worst:
        others = [answer for answer in answers if answer != truth and counts[truth, answer]]
        others = sorted(others, key=lambda answer: -counts[truth, answer])[:3]
        taken = ", ".join(f"{cell(answer)} {counts[truth, answer]}" for answer in others)
        lines.append(f"| {cell(truth)} | {totals[truth]:,} | {recall[truth]} | {taken or 'none other'} |")
    return lines
