"""From shops and seed dialogues to examples: seeded, so that the same seed gives the same dataset.

Two things are taught. To *answer*: the gold passage of a shop stands among others of the same
shop, in any place, and the target is a good answer with its mark. There are no refusals among
the targets: whether passages answer is decided outside the generator, and one of this size that
is shown refusals refuses everything. To *understand*: a message after the lines before it, and
what it wants as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from agent.ids import Language
from agent.prompts import answer_prompt
from agent.sentences import split_sentences
from agent.understand_prompt import target as understood
from agent.understand_prompt import understand_prompt
from agent.understanding import Said
from finetune.dialogues import SeedDialogue, SeedTurn
from finetune.example import Example, GivenSource, messages
from finetune.fill import Filling, voice
from finetune.shops import Policy, ShopPassage, TrainingShop
from finetune.split import part_of_dialogue, part_of_shop
from retrieval.passages import Chunk, Passage

MOST_PASSAGES = 4
"""As many as the product gives to an answer (``retrieval.passages`` of the settings)."""
UPSET = 0.25
"""Share of a shop's own questions that are asked by an upset shopper; dialogues say it themselves."""

Fits = Callable[[str, Sequence[str]], Sequence[str]]
"""Which of several answers fit a question: one, or all when none stands out."""


def expand(
    shops: Sequence[TrainingShop], dialogues: Sequence[SeedDialogue], *, fits: Fits, seed: int
) -> Iterator[Example]:
    """Yield every example, in a fixed order."""
    for shop in shops:
        yield from _of_shop(shop, fits, Random(f"{seed}/{shop.id}"))  # noqa: S311 - nothing secret
    for dialogue in dialogues:
        # A dialogue that is tested on is filled from a shop that is tested on.
        side = part_of_dialogue(dialogue.id, seed=seed)
        own = [shop for shop in shops if part_of_shop(shop.id) == side] or list(shops)
        yield from _of_dialogue(dialogue, own, fits, Random(f"{seed}/{dialogue.id}"))  # noqa: S311


def _of_shop(shop: TrainingShop, fits: Fits, random: Random) -> Iterator[Example]:
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        everything = _passages(shop, language)
        for source, passage in everything:
            for number, ask in enumerate(passage.asks.of(language)):
                yield _answering(
                    f"{source.id}/{language}/{number}",
                    shop.id,
                    "shop",
                    ask,
                    (source, passage),
                    everything,
                    language,
                    fits,
                    random,
                    upset=random.random() < UPSET,
                )


def _of_dialogue(
    dialogue: SeedDialogue, shops: Sequence[TrainingShop], fits: Fits, random: Random
) -> Iterator[Example]:
    shop, language = random.choice(shops), dialogue.language
    filling = Filling(dialogue, shop, random)
    everything = _passages(shop, language)
    earlier: list[Said] = []
    for number, turn in enumerate(dialogue.turns, 1):
        said, place = filling.put(turn.say), f"{dialogue.id}/{number}"
        yield Example(
            id=f"{place}/understand",
            family=dialogue.id,
            task="understand",
            origin="dialogue",
            language=language,
            messages=messages(understand_prompt(said, earlier)),
            target=understood(
                turn.want, language, {name: filling.put(value) for name, value in turn.args.items()}
            ),
            said=said,
        )
        answer = ""
        if (about := _about(turn, shop, everything)) is not None:
            example = _answering(
                f"{place}/answer",
                dialogue.id,
                "dialogue",
                said,
                about,
                everything,
                language,
                fits,
                random,
                upset=turn.mood == "negative",
            )
            answer = example.target
            yield example
        earlier.append(Said("shopper", said))
        if turn.then:
            earlier.append(Said("assistant", filling.put(turn.then, answer=answer)))


def _answering(
    id: str,
    family: str,
    origin: str,
    question: str,
    gold: tuple[GivenSource, ShopPassage],
    everything: Sequence[tuple[GivenSource, ShopPassage]],
    language: Language,
    fits: Fits,
    random: Random,
    *,
    upset: bool,
) -> Example:
    source, passage = gold
    others = [other for other, _ in everything if other.id != source.id]
    given = [*random.sample(others, random.randrange(MOST_PASSAGES)), source]
    random.shuffle(given)
    right = given.index(source)
    joint = "" if language == "zh" else " "
    answer = joint.join(fits(question, passage.answers.of(language)))
    words = _marked(answer, right + 1, language)
    if upset:
        soothing = random.choice(voice()["soothe"][language])
        words = f"{soothing}{joint}{words}"
    prompt = answer_prompt(question, [_passage(one, language) for one in given], language, upset=upset)
    return Example.model_validate(
        {
            "id": id,
            "family": family,
            "task": "answer",
            "origin": origin,
            "language": language,
            "messages": messages(prompt),
            "target": words,
            "said": question,
            "sources": given,
            "right": right,
            "upset": upset,
        }
    )


def _marked(answer: str, number: int, language: Language) -> str:
    """Every sentence with the mark of its source."""
    joint = "" if language == "zh" else " "
    return joint.join(f"{sentence} [{number}]" for sentence in split_sentences(answer))


def _about(
    turn: SeedTurn, shop: TrainingShop, everything: Sequence[tuple[GivenSource, ShopPassage]]
) -> tuple[GivenSource, ShopPassage] | None:
    """The shop's passage on the topic a turn asks about; product questions come from the shops."""
    if not turn.topic or turn.topic in ("product", "none"):
        return None
    wanted = f"{shop.id}/{turn.topic}"
    return next((pair for pair in everything if pair[0].id == wanted), None)


def _passages(shop: TrainingShop, language: Language) -> list[tuple[GivenSource, ShopPassage]]:
    """Every passage of a shop as the product would give it to a model."""
    found: list[tuple[GivenSource, ShopPassage]] = []
    for product in shop.products:
        for number, passage in enumerate(product.passages):
            name = f"{shop.id}/{product.id}/{number}"
            found.append((_source(name, product.title.of(language), passage, language), passage))
    for policy in shop.policies:
        name = f"{shop.id}/{policy.topic}"
        found.append((_source(name, policy.title.of(language), policy, language), policy))
    return found


def _source(id: str, title: str, passage: ShopPassage | Policy, language: Language) -> GivenSource:
    heading = passage.heading.of(language)
    return GivenSource(
        id=id, title=f"{title} – {heading}" if heading else title, text=passage.text.of(language)
    )


def _passage(source: GivenSource, language: Language) -> Passage:
    title, _, heading = source.title.partition(" – ")
    chunk = Chunk(
        id=source.id,
        document=source.id,
        source=source.id,
        title=title,
        heading=heading,
        text=source.text,
        kind="policy",
        language=language,
        version="",
        visibility="public",
        checksum="",
    )
    return Passage(chunk, 1.0)
