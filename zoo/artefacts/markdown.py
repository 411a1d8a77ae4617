"""Numbers and words of unknown origin as Markdown and as text."""

from zoo.names import printable


def number(value: float) -> str:
    """A score as text: shares with four decimals, what goes up to 100 with two, a tiny error with two digits."""
    if 0 < abs(value) < 1e-3 or abs(value) >= 1e9:
        return f"{value:.1e}"
    return f"{value:.4f}" if abs(value) <= 1 else f"{value:.2f}"


def interval(score: dict) -> str:
    """The 95 % interval of a score as text."""
    return f"{number(score['low'])} to {number(score['high'])}"


def prose(value) -> str:
    """A value as words in Markdown, in a table too: one line, in which nothing is a link, a picture or HTML."""
    text = printable(" ".join(str(value).splitlines()))
    for mark, escaped in {"|": "\\|", "<": "&lt;", "](": "]\\(", "`": "'"}.items():
        text = text.replace(mark, escaped)
    return text


def code(value) -> str:
    """A value as code in Markdown: one line between backticks, with none inside."""
    return f"`{printable(' '.join(str(value).splitlines())).replace('`', chr(39))}`"


def cell(value, most: int = 30) -> str:
    """A name that comes from a file as code in a table of Markdown, cut to so many characters."""
    text = str(value)
    return code(text if len(text) <= most else f"{text[: most - 3]}...").replace("|", "\\|") if text.strip() else "–"
