"""Teach ``retrieval/cross_encoder.py`` whether a passage answers a question.

Asks the training shops their questions, the hard ones of ``retrieval/data/asked`` among them. What
answers is a right pair; wrong ones are the passages that rank highest beside it, those that rank
highest where nothing answers, and the right passage without the sentences that are nearest to the
question. One shop is left out and judged by; the demo shop is not asked.

    python tools/fit_cross_encoder.py            # teach, and measure after every pass
    python tools/fit_cross_encoder.py --write    # and write retrieval/data/cross_encoder.npz

Half an hour on two cores, 3 GB of memory.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from asked import LANGUAGES, LEFT_OUT, ROOT, Asked, training_shops
from regression import auc
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch_e5 import TunedE5

from retrieval.answerable import READ
from retrieval.cross_encoder import asked_tokens, passage_tokens
from retrieval.e5 import E5Embedder
from retrieval.e5_file import e5_file
from retrieval.passages import Chunk, Embedder, Passage
from retrieval.remembering import RememberingEmbedder
from retrieval.vectors import Vectors
from retrieval.words import sentences

ADAPTER = ROOT / "retrieval" / "data" / "cross_encoder.npz"
WRONG = 4
"""Passages beside the right one that are learnt from, or where nothing answers."""
FIRST_TUNED, RANK = 4, 16
PASSES, AT_ONCE, RATE, WARM_UP = 3, 16, 1e-3, 0.05
RIGHT_WEIGHS = 3.0
"""A right pair beside a wrong one: there are six times as many wrong ones."""
HARD_WEIGHS = 2.0
"""A pair of a hard question beside one of an easy one: shoppers' own are hard."""
COSINE_WEIGHS = 40.0
"""The head begins as the cosine of the halves, so much larger: halves that have been read together
differ little, and what is left to 1 must reach a clear yes."""
SEED = 1


@dataclass(frozen=True)
class Pair:
    """A question and a passage as ids: the first ``split`` are the question's."""

    ids: tuple[int, ...]
    split: int
    answers: bool
    weight: float = 1.0


class Reader(nn.Module):
    """The encoder and the head over the product of the halves' means."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = TunedE5(e5_file(), first=FIRST_TUNED, rank=RANK)
        self.head = nn.Parameter(torch.full((e5_file().width,), COSINE_WEIGHS))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, states: Sequence[Tensor], splits: Sequence[int]) -> Tensor:
        """Log odds, one a pair, of what the lower layers gave and where its second half begins."""
        x = self.encoder.upper(states)
        place, split = torch.arange(x.shape[1]), torch.tensor(splits)[:, None]
        first, whole = place < split, place < torch.tensor([len(one) for one in states])[:, None]
        asked, told = (self._mean(x, half) for half in (first, whole & ~first))
        return (asked * told) @ self.head + self.bias

    @staticmethod
    def _mean(x: Tensor, mask: Tensor) -> Tensor:
        return F.normalize((x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=1)


def pair(one: Asked, passage: Chunk, answers: bool = False) -> Pair:
    """A question and a passage as the reader takes them."""
    asked = asked_tokens(one.question)
    weight = (RIGHT_WEIGHS if answers else 1.0) * (HARD_WEIGHS if one.hard else 1.0)
    return Pair((*asked, *passage_tokens(passage)), len(asked), answers, weight)


def ranked(one: Asked) -> list[tuple[Passage, bool]]:
    """The candidates in order, and whether each answers."""
    right = {each.chunk.id for each, answers in zip(one.candidates, one.right, strict=True) if answers}
    return [(each, each.chunk.id in right) for each in one.reranked]


def pairs(one: Asked, embedder: Embedder, vectors: Vectors) -> Iterator[Pair]:
    """What is learnt from one question."""
    order = ranked(one)
    for passage, answers in order:
        if answers:
            yield pair(one, passage.chunk, True)
            if (rest := without_nearest(one.question, passage.chunk, embedder, vectors)) is not None:
                yield pair(one, rest)
    for passage in [passage for passage, answers in order if not answers][:WRONG]:
        yield pair(one, passage.chunk)


def without_nearest(question: str, passage: Chunk, embedder: Embedder, vectors: Vectors) -> Chunk | None:
    """The passage without the half of its sentences that is nearest; ``None`` of a single sentence."""
    texts = [text for _, text in sentences(passage.text)]
    if len(texts) < 2:
        return None
    order = np.argsort(vectors.nearness(embedder.embed_query(question), texts))
    kept = set(order[: len(texts) // 2].tolist())
    space = " " if passage.language == "en" else ""
    return replace(passage, text=space.join(text for place, text in enumerate(texts) if place in kept))


def batches(given: Sequence[Pair], seed: int) -> list[list[int]]:
    """Places of pairs of like length together, in a random order."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(given))
    mixed = [order[start : start + 20 * AT_ONCE] for start in range(0, len(order), 20 * AT_ONCE)]
    found = []
    for some in mixed:
        by_length = sorted(some.tolist(), key=lambda place: len(given[place].ids))
        found += [by_length[start : start + AT_ONCE] for start in range(0, len(by_length), AT_ONCE)]
    return [found[place] for place in random.permutation(len(found))]


def teach(reader: Reader, given: Sequence[Pair], judged: Sequence[Asked]) -> None:
    """Three passes over the pairs, with what the left-out shop says after each."""
    states: list[Tensor] = [torch.empty(0)] * len(given)
    for some in track(batches(given, SEED), "lower layers"):
        for place, state in zip(
            some, reader.encoder.lower([given[place].ids for place in some]), strict=True
        ):
            states[place] = state
    with torch.no_grad():  # No answer is likelier than another at first.
        some = batches(given, SEED)[0]
        reader.bias -= reader(
            [states[place] for place in some], [given[place].split for place in some]
        ).mean()
    steps = [some for number in range(PASSES) for some in batches(given, SEED + number)]
    optimizer = torch.optim.AdamW(reader.parameters(), lr=RATE, weight_decay=0.01)
    shape = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, len(steps), pct_start=WARM_UP)
    lost = 0.0
    for number, some in enumerate(track(steps, "teaching"), 1):
        y = torch.tensor([float(given[place].answers) for place in some])
        weight = torch.tensor([given[place].weight for place in some])
        logits = reader([states[place] for place in some], [given[place].split for place in some])
        loss = F.binary_cross_entropy_with_logits(logits, y, weight=weight)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        shape.step()
        lost = loss.item() if number == 1 else 0.98 * lost + 0.02 * loss.item()
        if number % 50 == 0:
            print(f"{number} of {len(steps)}: loss {lost:.3f}", flush=True)
        if number % (len(steps) // PASSES) == 0:
            print(measured(reader, judged), flush=True)


@torch.no_grad()
def read(reader: Reader, one: Asked) -> list[tuple[float, bool]]:
    """The odds of the first passages, as ``CrossEncoder`` gives them, and whether each answers.

    One more than are judged by, for when the right one is left out.
    """
    order = ranked(one)[: READ + 1]
    given = [pair(one, passage.chunk) for passage, _ in order]
    odds = reader(reader.encoder.lower([each.ids for each in given]), [each.split for each in given])
    return [(each, right) for each, (_, right) in zip(odds.tolist(), order, strict=True)]


def measured(reader: Reader, questions: Sequence[Asked]) -> str:
    """Of the best of the first passages: answered against unanswered, and against those without their answer."""
    lines = []
    for language in LANGUAGES:
        for hard in (False, True):
            asked = [one for one in questions if (one.language, one.hard) == (language, hard)]
            odds = [read(reader, one) for one in asked]
            answered = [found for one, found in zip(asked, odds, strict=True) if one.answered]
            best = [max(each for each, _ in found[:READ]) for found in answered]
            none = [
                max(each for each, _ in found[:READ])
                for one, found in zip(asked, odds, strict=True)
                if not one.answered
            ]
            gone = [max([each for each, right in found if not right][:READ]) for found in answered]
            first = [max(found[:READ])[1] for found in answered]
            lines.append(
                f"  {language} {'hard' if hard else 'easy'}: AUC {auc(best, none):.3f}, "
                f"without the answer {auc(best, gone):.3f}, right one first {np.mean(first):.3f}"
            )
    return "\n".join(lines)


async def main() -> None:
    """Teach; with ``--write`` write the adapter."""
    torch.manual_seed(SEED)
    embedder = RememberingEmbedder(E5Embedder(), keep=100_000)
    vectors = Vectors(embedder.embed_passages, keep=100_000)
    questions = [one async for one in training_shops(embedder)]
    given = [
        each
        for one in track(questions, "pairs")
        if one.shop != LEFT_OUT
        for each in pairs(one, embedder, vectors)
    ]
    print(f"{len(given)} pairs, {sum(one.answers for one in given)} of them right", flush=True)
    reader = Reader()
    teach(reader, given, [one for one in questions if one.shop == LEFT_OUT])
    if "--write" in sys.argv[1:]:
        learnt = {"head": reader.head.detach().numpy(), "bias": reader.bias.detach().numpy()}
        for name, (up, down) in reader.encoder.added().items():
            learnt |= {f"{name}/up": up, f"{name}/down": down}
        np.savez_compressed(ADAPTER, **{name: value.astype(np.float16) for name, value in learnt.items()})


if __name__ == "__main__":
    asyncio.run(main())
