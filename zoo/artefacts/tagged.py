"""How a text with labelled words is shown: its pieces, and the colour of each label."""

import zlib

# Background colours on which black is read easily, in a terminal and in a picture alike.
COLOURS = ("#ffd166", "#8ecae6", "#95d5b2", "#f4a6a6", "#cdb4db", "#f6bd60", "#a8dadc", "#e9c46a", "#bde0fe", "#d8e2a8")


def colours(labels) -> dict[str, str]:
    """A colour for each label: mostly the same wherever it stands, and another one than those of the labels beside it."""
    found = {}
    for label in sorted(set(labels)):
        start = zlib.crc32(label.encode()) % len(COLOURS)
        places = [*COLOURS[start:], *COLOURS[:start]]
        found[label] = next((each for each in places if each not in found.values()), places[0])
    return found


def pieces(text: str, tokens, tags) -> list[tuple[str, str]]:
    """A text in pieces, each with its label, "" where it has none.

    Args:
        text: as it was asked.
        tokens: its words, as a tagger gives them; "" as padding.
        tags: their BIO labels.
    """
    spans, place = [], 0
    for token, tag in zip(tokens, tags, strict=True):
        start = text.find(token, place) if token else -1
        if start < 0:
            continue
        place = start + len(token)
        if tag.startswith("I-") and spans:
            spans[-1][1] = place
        elif tag != "O":
            spans.append([start, place, tag[2:]])
    found, end = [], 0
    for start, stop, label in spans:
        found += [(text[end:start], ""), (text[start:stop], label)]
        end = stop
    return [piece for piece in [*found, (text[end:], "")] if piece[0]]


def coloured(text: str, answer: dict):
    """An answer of a tagger for a terminal, a `rich.text.Text`: the text, labelled pieces on a colour, with their labels."""
    from rich.text import Text

    line, parts = Text(), pieces(text, answer["tokens"], answer["tags"])
    ground = colours(label for _, label in parts if label)
    for piece, label in parts:
        if label:
            line.append(f" {piece} ", style=f"black on {ground[label]}")
            line.append(f"{label} ", style=f"bold black on {ground[label]}")
        else:
            line.append(piece)
    if "intent" in answer:
        line.append(f"  {answer['intent']} {answer['intent_probability']:.4f}", style="dim")
    return line
