"""The product's own prompts: typical questions, with the passages that the product finds for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.model import Prompt
from agent.prompts import answer_prompt
from evals.latency import Question
from retrieval.passages import Language
from retrieval.retriever import PassageRetriever
from serving.settings import Settings
from serving.starting import start_index
from serving.steps import Steps


@dataclass(frozen=True)
class Asked:
    """A question and what the model is given for it."""

    id: str
    prompt: tuple[Prompt, ...]


def for_documents(questions: Sequence[Question]) -> list[Question]:
    """Those of visitors. A customer's are about orders, and no model answers these.

    Raises:
        ValueError: None is left, or one is in a language that nothing is answered in.
    """
    found = [question for question in questions if question.customer == "visitor"]
    if not found:
        raise ValueError("there is no question of a visitor")
    for question in found:
        _language(question)
    return found


async def prompts(questions: Sequence[Question], settings: Settings, shown: Steps) -> list[Asked]:
    """Bring the index up to date and make the prompts.

    Raises:
        RetrievalError: The index cannot be opened, read or written.
    """
    index = await start_index(settings, shown)
    try:
        retriever = PassageRetriever(index)
        asked = []
        for question in questions:
            language = _language(question)
            found = await retriever.find(
                question.text,
                language=language,
                visible_to=frozenset({"public"}),
                k=settings.retrieval.passages,
            )
            asked.append(Asked(question.id, tuple(answer_prompt(question.text, found.passages, language))))
        return asked
    finally:
        index.close()


def _language(question: Question) -> Language:
    match question.language:
        case "en" | "zh" as language:
            return language
        case other:
            raise ValueError(f"{question.id}: {other!r} is no language that answers are given in")
