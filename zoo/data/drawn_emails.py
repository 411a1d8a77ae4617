"""E-mails written from templates, with their subject lines: the sample for when no real ones are at hand.

The subject of each can be read off the body, so that a summariser has something to learn: what the mail is about ("the pipeline
audit") stands in its middle, among sentences that are about other things, and the kind of mail ("Reminder:") follows from how
it is put. What it is about is made of an adjective, a noun and an occasion, most pairs of which are seen once: it has to be
copied.
"""

import random

from zoo.data.splits import distinct, draw_splits

DESCRIPTION = (
    "Office e-mails and their subject lines, generated from templates of this project, so that a summary recipe runs without a"
    " download. Numbers measured on them say nothing about real mails."
)

Emails = list[tuple[str, str]]

# All splits together. There are more by far, and none of them runs out before.
MOST_EMAILS = 50_000

WHAT = (
    "annual quarterly revised draft final weekly joint internal external preliminary updated monthly regional confidential"
    " interim corrected combined northern coastal technical"
).split()
THING = (
    "budget|audit|contract|pipeline report|storage agreement|training plan|credit review|forecast|invoice|market survey"
    "|safety manual|hiring plan|price list|press release|tax return|risk report|travel policy|site inspection|lease"
    "|organization chart|expense claim|data room|gas nomination|power curve|trading summary"
).split("|")
PEOPLE = "Sara Kim Paul Louise Greg Chris Mark Tana Debra Phil Susan Jeff Mary Stuart Elena Tom Andrea Vince".split()
PLACES = "Houston|Portland|London|Calgary|Omaha|Denver|New York|room 3823|the small conference room|the lobby".split("|")
DAYS = "Monday Tuesday Wednesday Thursday Friday".split()
TIMES = "9 am|10 am|11:30|noon|1:30|2 pm|3:15|4 pm".split("|")

# Kinds of mail: the sentence that says what it is about, and the subject line.
KINDS = (
    ("Attached is the {topic}", "{Topic}"),
    ("Please find the {topic} attached", "{Topic}"),
    ("Please remember that the {topic} is due on {day}", "Reminder: {topic} due {day}"),
    ("Don't forget the {topic}, which I need by {day}", "Reminder: {topic} due {day}"),
    ("We will meet on {day} at {time} to go through the {topic}", "Meeting on the {topic}"),
    ("Could we sit down on {day} at {time} to talk about the {topic}?", "Meeting on the {topic}"),
    ("I have some questions about the {topic}", "Questions about the {topic}"),
    ("There are a few points in the {topic} that I do not understand", "Questions about the {topic}"),
    ("The {topic} has been moved to {day}", "{Topic} moved to {day}"),
    ("We have to move the {topic} to {day}", "{Topic} moved to {day}"),
    ("I am sorry to say that the {topic} has been cancelled", "{Topic} cancelled"),
    ("{other} has approved the {topic}", "{Topic} approved"),
)
BEFORE = (
    "I hope that you had a good weekend",
    "Thanks for your call this morning",
    "It was good to see you in {place}",
    "{other} asked me to write to you",
    "I am back from {place}",
    "As you may know, {other} is out of the office until {day}",
    "Sorry for the delay",
)
AFTER = (
    "Please let me know if you have any questions",
    "{other} has seen it already",
    "I will be in {place} on {day}",
    "Call me at {number} if you need more",
    "If {day} does not suit you, talk to {other}",
    "A copy goes to {other} in {place}",
    "Let me know what you think",
)
CLOSING = ("Thanks", "Regards", "Best", "Thank you", "See you")
GREETING = ("{name},", "Hi {name},", "Dear {name},", "{name}:", "All,")


def drawn_emails(train: int = 1_000, validation: int = 150, test: int = 150, seed: int = 0) -> dict[str, Emails]:
    """Generates e-mails with subject lines, none twice.

    Args:
        train, validation, test: the number of mails in the split of that name.
        seed: of the random generator; the same arguments always give the same mails.

    Returns:
        Split → list of (body, subject line).

    Raises:
        ValueError: a number is not positive, or together they are more than `MOST_EMAILS`.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    draw = distinct(_email, key=lambda email: email[0])
    return draw_splits(draw, sizes, most=MOST_EMAILS, things="e-mails", source="the templates yield", seed=seed)


def _email(rng: random.Random) -> tuple[str, str]:
    """A greeting, what it is about among other sentences, and a name below."""
    names = rng.sample(PEOPLE, 3)
    topic = f"{rng.choice(WHAT)} {rng.choice(THING)}"
    if rng.random() < 0.4:
        topic += f" for {rng.choice(PLACES[:7])}"
    sentence, subject = rng.choice(KINDS)
    facts = {
        "topic": topic,
        "Topic": topic[0].upper() + topic[1:],
        "name": names[0],
        "day": rng.choice(DAYS),
        "time": rng.choice(TIMES),
    }

    def other(template):
        """A sentence beside: with a day, a place and a number of its own."""
        options = {"day": rng.choice(DAYS), "place": rng.choice(PLACES), "number": rng.randint(30_000, 59_999)}
        return template.format(**facts | options, other=names[1])

    sentences = [other(template) for template in rng.sample(BEFORE, rng.randint(0, 2))]
    sentences.append(sentence.format(**facts, other=names[2]))
    sentences += [other(template) for template in rng.sample(AFTER, rng.randint(1, 3))]
    body = " ".join(each if each.endswith("?") else f"{each}." for each in sentences)
    return f"{rng.choice(GREETING).format(**facts)} {body} {rng.choice(CLOSING)}, {names[2]}", subject.format(**facts)
