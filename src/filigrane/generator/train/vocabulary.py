"""The words the built-in generator learns: which emoji and nouns, in singular and plural, and in what variety.

A model of a few million parameters knows a few hundred things. A short list, named as a person would name them,
gives each of them enough training to be recognised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COLOURS = (
    "red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink",
    "brown", "beige", "black", "grey", "white",
)  # fmt: skip

PRODUCE: dict[str, tuple[str, str, str]] = {
    "Anjou": ("pear", "pears", "green"),
    "Aubergine": ("aubergine", "aubergines", "purple"),
    "Avocado": ("avocado", "avocados", "green"),
    "Banana": ("banana", "bananas", "yellow"),
    "Beef-Tomato": ("tomato", "tomatoes", "red"),
    "Carrots": ("carrot", "carrots", "orange"),
    "Conference": ("pear", "pears", "green"),
    "Cucumber": ("cucumber", "cucumbers", "green"),
    "Floury-Potato": ("potato", "potatoes", "brown"),
    "Golden-Delicious": ("apple", "apples", "yellow"),
    "Granny-Smith": ("apple", "apples", "green"),
    "Green-Bell-Pepper": ("pepper", "peppers", "green"),
    "Kiwi": ("kiwi", "kiwis", "brown"),
    "Lemon": ("lemon", "lemons", "yellow"),
    "Lime": ("lime", "limes", "green"),
    "Orange": ("orange", "oranges", "orange"),
    "Orange-Bell-Pepper": ("pepper", "peppers", "orange"),
    "Peach": ("peach", "peaches", "orange"),
    "Pineapple": ("pineapple", "pineapples", ""),
    "Pink-Lady": ("apple", "apples", "red"),
    "Plum": ("plum", "plums", "purple"),
    "Pomegranate": ("pomegranate", "pomegranates", "red"),
    "Red-Beet": ("beetroot", "beetroots", "red"),
    "Red-Bell-Pepper": ("pepper", "peppers", "red"),
    "Red-Delicious": ("apple", "apples", "red"),
    "Regular-Tomato": ("tomato", "tomatoes", "red"),
    "Royal-Gala": ("apple", "apples", "red"),
    "Satsumas": ("satsuma", "satsumas", "orange"),
    "Solid-Potato": ("potato", "potatoes", "beige"),
    "Vine-Tomato": ("tomato", "tomatoes", "red"),
    "Watermelon": ("watermelon", "watermelons", "green"),
    "Yellow-Bell-Pepper": ("pepper", "peppers", "yellow"),
    "Yellow-Onion": ("onion", "onions", "brown"),
}
"""Folder of the grocery set: singular, plural, colour ('' where no one word fits)."""

FRUIT: dict[str, tuple[str, str, str]] = {
    "apple": ("apple", "apples", "red"),
    "banana": ("banana", "bananas", "yellow"),
    "doughnut": ("donut", "donuts", "brown"),
    "egg": ("egg", "eggs", "brown"),
    "lemon": ("lemon", "lemons", "yellow"),
    "mango": ("mango", "mangoes", "yellow"),
    "orange": ("orange", "oranges", "orange"),
    "peach": ("peach", "peaches", "pink"),
    "pear": ("pear", "pears", "yellow"),
    "plum": ("plum", "plums", "purple"),
    "qiwi": ("kiwi", "kiwis", "brown"),
    "tomato": ("tomato", "tomatoes", "red"),
}
"""Class of the set of single pieces on a plate: singular, plural, colour."""

CLOTHING: dict[str, tuple[str, str]] = {
    "Dress": ("dress", "dresses"),
    "Hat": ("hat", "hats"),
    "Hoodie": ("hoodie", "hoodies"),
    "Longsleeve": ("long-sleeved shirt", "long-sleeved shirts"),
    "Outwear": ("jacket", "jackets"),
    "Pants": ("pair of pants", "pants"),
    "Shirt": ("shirt", "shirts"),
    "Shoes": ("pair of shoes", "shoes"),
    "Shorts": ("pair of shorts", "shorts"),
    "Skirt": ("skirt", "skirts"),
    "T-Shirt": ("t-shirt", "t-shirts"),
}
"""Class of the clothing set: singular, plural."""

FLOWERS: dict[str, tuple[str, str]] = {
    "daisy": ("daisy", "daisies"),
    "dandelion": ("dandelion", "dandelions"),
    "rose": ("rose", "roses"),
    "sunflower": ("sunflower", "sunflowers"),
    "tulip": ("tulip", "tulips"),
}
"""Class of the flower set: singular, plural."""

_EMOJI = """
red apple=apple:red|green apple=apple:green|pear|lemon|banana|watermelon|strawberry|cherries=cherry|grapes|
tangerine=orange|peach|pineapple|tomato|avocado|aubergine|carrot|broccoli|mushroom|ear of maize=corn cob|bread|
croissant|cheese wedge=piece of cheese|egg|hamburger|slice of pizza=pizza|doughnut=donut|cookie|birthday cake|
ice cream|hot beverage=cup of coffee|teapot|dog face=dog|mouse face=mouse|smiling cat face with open mouth=cat|
rabbit face=rabbit|fox face=fox|bear face=bear|panda face=panda|tiger face=tiger|lion face=lion|cow face=cow|
pig face=pig|frog face=frog|penguin|bird|baby chick=chick|duck|owl|unicorn face=unicorn|honeybee=bee|butterfly|snail|
lady beetle=ladybug|turtle|octopus|crab|fish|dolphin|whale|elephant|cactus|christmas tree|deciduous tree=tree|
palm tree|four leaf clover=clover|tulip|rose|sunflower|maple leaf|automobile=car|taxi|bus|fire engine|tractor|bicycle|
airplane|rocket|helicopter|sailboat|flying saucer|sun with face=sun|crescent moon|white medium star=star|cloud|
rainbow|snowflake|fire|droplet=drop of water|high voltage sign=lightning bolt|earth globe europe-africa=globe|
ringed planet=planet|volcano|mountain|snowman without snow=snowman|house building=house|tent|soccer ball|guitar|
camera|television|electric light bulb=light bulb|candle|pencil|key|lock|hammer|balloon|wrapped present=gift|trophy|
crown|gem stone=diamond|bell|umbrella|alarm clock|dark sunglasses=pair of sunglasses|t-shirt|jeans=pair of jeans|
dress|athletic shoe=running shoe|billed cap=cap|top hat|teddy bear|jack-o-lantern=pumpkin|ghost|robot face=robot|
extraterrestrial alien=alien|skull|heavy black heart=heart:red|blue heart=heart:blue|green heart=heart:green|
yellow heart=heart:yellow|purple heart=heart:purple|orange heart=heart:orange|black heart=heart:black|
large red circle=circle:red|large blue circle=circle:blue|large green circle=circle:green|
large yellow circle=circle:yellow|large purple circle=circle:purple|large red square=square:red|
large blue square=square:blue|large green square=square:green|large yellow square=square:yellow|
large purple square=square:purple|smiling face with open mouth=smiling face|thumbs up sign=thumbs up|game die=die|
anchor|chair
"""


def emoji() -> dict[str, tuple[str, str]]:
    """Name of an emoji in its set: what a person calls it, and its colour ('' where the measured one holds).

    >>> emoji()["red apple"], emoji()["automobile"], emoji()["lemon"]
    (('apple', 'red'), ('car', ''), ('lemon', ''))
    """
    words: dict[str, tuple[str, str]] = {}
    for entry in _EMOJI.replace("\n", "").split("|"):
        name, _, called = entry.partition("=")
        noun, _, colour = (called or name).partition(":")
        words[name] = (noun, colour)
    return words


def known_nouns() -> frozenset[tuple[str, str]]:
    """Every kind and singular noun of the vocabulary."""
    nouns = {("emoji", noun) for noun, _ in emoji().values()}
    nouns |= {("produce", fields[0]) for fields in PRODUCE.values()}
    nouns |= {("fruit", fields[0]) for fields in FRUIT.values()}
    nouns |= {("clothing", fields[0]) for fields in CLOTHING.values()}
    return frozenset(nouns | {("flower", fields[0]) for fields in FLOWERS.values()})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a picture shows: ``kind`` produce / fruit / clothing / flower / emoji, nouns, and a colour word or ''."""

    kind: str
    noun: str
    plural: str
    colour: str = ""


def with_article(phrase: str) -> str:
    """The phrase with its indefinite article.

    >>> with_article("orange"), with_article("red apple")
    ('an orange', 'a red apple')
    """
    return f"{'an' if phrase[:1] in 'aeiou' else 'a'} {phrase}"


def name_of(subject: Subject, *, plural: bool = False, colour: bool = True) -> str:
    """The subject in words, its colour before the noun or inside a "pair of".

    >>> name_of(Subject("clothing", "pair of shoes", "shoes", "black"))
    'pair of black shoes'
    """
    noun = subject.plural if plural else subject.noun
    if not colour or not subject.colour or subject.colour == noun:
        return noun
    if noun.startswith("pair of "):
        return f"pair of {subject.colour} {noun.removeprefix('pair of ')}"
    return f"{subject.colour} {noun}"


_FRAMES = {
    "produce": ("a photo of {}", "{} in a grocery store", "a photo of {} in a grocery store", "fresh {}"),
    "fruit": ("a photo of {}", "a picture of {}", "{} on a plate", "a photo of {} on a plate"),
    "clothing": ("a photo of {}", "a picture of {}"),
    "flower": ("a photo of {}", "a picture of {}", "{} in a garden"),
}


_SINGLE = frozenset(fields[0] for fields in FRUIT.values())
_OTHERS = frozenset(fields[0] for table in (PRODUCE, FRUIT, CLOTHING, FLOWERS) for fields in table.values())


def _chance_of_plural(subject: Subject) -> float:
    """A heap is called by its plural where the noun has pictures of single pieces too, and those by the singular."""
    match subject.kind:
        case "fruit":
            return 0.0
        case "produce":
            return 1.0 if subject.noun in _SINGLE else 0.6
    return 0.25


def caption(subject: Subject, rng: np.random.Generator) -> str:
    """One of the many ways a person would ask for ``subject``: bare, framed, plural, with or without its colour.

    An emoji of what has no photograph also answers to its bare name.
    """
    coloured = rng.random() < 0.8
    if subject.kind == "emoji" and (subject.noun in _OTHERS or rng.random() < 0.8):
        name = name_of(subject, colour=coloured)
        frame = rng.choice(["a 3D emoji of {}", "a 3D emoji of {}", "3D emoji of {}", "{} emoji", "an emoji of {}"])
        return str(frame).format(name if str(frame).startswith("{") else with_article(name))
    plural = bool(rng.random() < _chance_of_plural(subject)) and subject.kind != "emoji"
    name = name_of(subject, plural=plural, colour=coloured)
    if not plural and rng.random() < 0.85:
        name = with_article(name)
    frames = _FRAMES.get(subject.kind, ("a picture of {}",))
    return str(rng.choice(frames)).format(name) if rng.random() < 0.5 else name
