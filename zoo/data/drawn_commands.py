"""Drawn commands to a voice assistant: the built-in sample of `snips_commands`, and examples of nobody's."""

import re

from zoo.data.spans import TaggedText
from zoo.data.splits import distinct, draw_splits

DESCRIPTION = "Commands of five intents, put together from sentences and names; half of the names are made of syllables."

# What people say, by what they want; a word in braces is a span of that type.
SENTENCES = {
    "PlayMusic": (
        "play {genre} by {artist}",
        "play {track} from {artist}",
        "I want to hear {artist} on {service}",
        "put on some {genre} from {service}",
        "can you play the song {track}",
    ),
    "GetWeather": (
        "what is the weather in {city} {timeRange}",
        "will it be {condition} in {city}",
        "is it {condition} {timeRange} in {city}, {country}",
        "tell me the forecast for {country}",
    ),
    "BookRestaurant": (
        "book a table for {number} in {city}",
        "find a {cuisine} restaurant in {city} for {timeRange}",
        "I need a seat at {restaurant} for {number} people",
        "reserve a {cuisine} place {timeRange}",
    ),
    "RateBook": (
        "give {book} {rating} stars",
        "rate {book} {rating} out of 6",
        "I would give {book} a {rating}",
    ),
    "AddToPlaylist": (
        "add {track} to my {playlist} playlist",
        "put {artist} on {playlist}",
        "I want {track} by {artist} in the list {playlist}",
    ),
}
VALUES = {
    "genre": "jazz,soul,techno,classical music,blues,country,hip hop,reggae,folk songs,heavy metal",
    "service": "Spotify,Youtube,Deezer,iTunes,Last Fm,Pandora",
    "timeRange": "tomorrow,tonight,next week,on Monday,in two hours,at 7 pm,this weekend,at noon,in 3 days",
    "condition": "cold,windy,sunny,rainy,humid,foggy,freezing,cloudy",
    "country": "Norway,Chile,Kenya,Japan,New Zealand,Peru,France,South Africa",
    "number": "two,three,4,five,6,seven,10,nine",
    "cuisine": "Thai,Italian,vegan,Indian,French,Korean,Greek,Turkish",
    "rating": "1,2,three,four,5,zero,2 points,4 points",
}
VALUES = {name: tuple(values.split(",")) for name, values in VALUES.items()}
# Names that no list has: how many words, and what may stand before or after them.
NAMED = {
    "artist": (2, ("", ""), ("The ", "s"), ("DJ ", "")),
    "track": (2, ("", ""), ("My ", ""), ("", " Blues"), ("Oh ", "")),
    "city": (1, ("", ""), ("Port ", ""), ("", " Falls"), ("San ", "")),
    "restaurant": (1, ("Chez ", ""), ("", "'s Diner"), ("The ", " Inn")),
    "book": (2, ("The ", ""), ("", " Returns"), ("A History of ", "")),
    "playlist": (1, ("my ", " hits"), ("", " party"), ("best of ", "")),
}
SYLLABLES = "ba co da el fi ga hu in jo ka li mo na or pe ro sa ti ul vi wen yar zo dra bel stan mar tin".split()


def drawn_commands(*, train: int = 1000, validation: int = 200, test: int = 200, seed: int = 0) -> dict[str, list]:
    """Draws the sample: split → texts with spans, their intent being what is known about them; none occurs twice.

    Args:
        train, validation, test: number of commands.
        seed: of the random generator.

    Raises:
        ValueError: see `draw_splits`.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    draw = distinct(_command, key=lambda command: command.text)
    return draw_splits(draw, sizes, most=10**6, things="commands", source="the sentences make", seed=seed)


def _command(rng) -> TaggedText:
    intent = rng.choice(list(SENTENCES))
    parts = re.split(r"\{(\w+)\}", rng.choice(SENTENCES[intent]))
    return TaggedText.join(
        ((_value(rng, part), part) if place % 2 else (part, None) for place, part in enumerate(parts)), intent
    )


def _value(rng, kind: str) -> str:
    if kind in VALUES:
        return rng.choice(VALUES[kind])
    words, *around = NAMED[kind]
    before, after = rng.choice(around)
    names = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 3))).title() for _ in range(rng.randint(1, words))]
    return before + " ".join(names) + after


def examples() -> list[str]:
    """Commands of SNIPS' kind, with names that it does not have."""
    return [
        "play some jazz by Nina Simone",
        "Book a table for four at a Thai restaurant in Ghent tomorrow at 7 pm",
        "what will the weather be like in Reykjavik, Iceland next Tuesday?",
        "add this song to my rainy sunday playlist",
        "give The Left Hand of Darkness 5 out of 6 stars",
    ]
