"""Satisfaction turn by turn: what the product's mood scorer makes of each shopper turn.

Format: one conversation a line, ``{"id", "lang": "zh"|"en", "source", "turns": [{"role":
"user"|"agent", "text", "satisfaction": null|0|1|2}]}``. A turn is judged from itself, the
shopper's turns and the agent's last turn before it; nothing later is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.ids import Language
from agent.mood import MoodScorer
from agent.mood_e5 import E5Mood
from evals.benchmarks.data import Row, data_files, is_training, read_rows
from evals.benchmarks.intervals import Rows, Statistic, auc_of, kept, macro_f1_of, mean_of, measured
from evals.benchmarks.report import Anchor, BenchmarkReport, DataInvalid, Figure, Progress
from retrieval.e5 import E5Embedder

CLASSES = (0, 1, 2)
"""Dissatisfied, neutral, satisfied."""
_HISTORY = 3
"""Turns before the rated one that the fitted ceiling reads, as the README's baseline does."""
_CEILING = "ceiling, fitted here"
_FITTED = "README of the set: TF-IDF and logistic regression fitted on its train file"
_TEST = "published on the upstream test part with the overall turn counted, three classes"

_ANCHORS = {
    ("accuracy", "uss-jddc"): (Anchor(0.509, _FITTED), Anchor(0.630, f"USDA, {_TEST}")),
    ("macro-F1", "uss-jddc"): (Anchor(0.465, _FITTED),),
    ("F1 dissatisfied", "uss-jddc"): (Anchor(0.353, _FITTED),),
    ("accuracy", "uss-sgd"): (Anchor(0.407, _FITTED), Anchor(0.625, f"USDA, {_TEST}")),
    ("macro-F1", "uss-sgd"): (Anchor(0.399, _FITTED),),
    ("F1 dissatisfied", "uss-sgd"): (Anchor(0.392, _FITTED),),
    ("accuracy", "uss-mwoz"): (Anchor(0.427, _FITTED), Anchor(0.529, f"USDA, {_TEST}")),
    ("macro-F1", "uss-mwoz"): (Anchor(0.424, _FITTED),),
    ("F1 dissatisfied", "uss-mwoz"): (Anchor(0.391, _FITTED),),
}


@dataclass(frozen=True)
class _Turn:
    """A rated turn with all that may be read for it."""

    source: str
    conversation: str
    language: Language
    text: str
    earlier: tuple[str, ...]
    """The shopper's turns before it, oldest first."""
    before: str
    """The agent's last turn before it; empty if there is none."""
    lately: str
    """The last turns of both sides and this one, marked by role."""
    label: int


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Measure on a file or a folder of them.

    Raises:
        DataInvalid: The path does not hold the format, or no turn is rated.
    """
    files = data_files(path)
    turns = [turn for file in files for turn in _rated(file)]
    if not turns:
        raise DataInvalid(f"{path}, field turns[].satisfaction: no turn of a shopper is rated")
    scorer = E5Mood(E5Embedder().embed_query)
    read = [_scores(scorer, turn) for turn in progress(turns, "reading turns", len(turns))]
    guesses = [int(np.argmax(scores)) for scores in read]
    fitted = _fitted(files, turns)
    figures: list[Figure] = []
    for source in sorted({turn.source for turn in turns}):
        places = [place for place, turn in enumerate(turns) if turn.source == source]
        some = [turns[place] for place in places]
        part = f"{source} {some[0].language}"
        figures += _figures(some, [guesses[place] for place in places], part, source)
        figures += kept(
            measured(
                "AUC dissatisfied",
                auc_of([read[place][0] for place in places], [turn.label == 0 for turn in some]),
                [turn.conversation for turn in some],
                slice=part,
            )
        )
        if fitted is not None:
            ceiling = [fitted[place] for place in places]
            figures += _figures(some, ceiling, f"{part}, {_CEILING}", source)
    notes = [
        "Raters see satisfaction with the conversation so far; the scorer reads how the shopper sounds. A "
        "shopper who states a problem calmly is dissatisfied to the first and neutral to the second.",
        "Only turns with a rating count; the rating of the whole conversation is not counted.",
        "Intervals draw whole conversations.",
    ]
    if fitted is not None:
        notes.append(
            f"“{_CEILING}” is TF-IDF with logistic regression fitted on the training files beside the data; "
            "it shows what fitting to these raters would bring and is not part of the product."
        )
    return BenchmarkReport(
        benchmark="satisfaction",
        data=str(path),
        method=f"agent.mood_e5 ({scorer.name}) on each rated turn with the shopper's earlier turns and the "
        "agent's last one; the most probable of negative, neutral, positive is dissatisfied, neutral, "
        "satisfied.",
        figures=tuple(figures),
        notes=tuple(notes),
        details={
            "rated turns": {
                source: dict(sorted(Counter(t.label for t in turns if t.source == source).items()))
                for source in sorted({turn.source for turn in turns})
            },
            "read as": {
                source: dict(
                    sorted(
                        Counter(g for g, t in zip(guesses, turns, strict=True) if t.source == source).items()
                    )
                )
                for source in sorted({turn.source for turn in turns})
            },
        },
    )


def _rated(file: Path) -> list[_Turn]:
    return [turn for row in read_rows(file) for turn in _conversation(row)]


def _conversation(row: Row) -> list[_Turn]:
    language: Language = "zh" if row.one_of("lang", ("zh", "en")) == "zh" else "en"
    source, name = row.text("source", empty=False), row.text("id")
    said: list[tuple[str, str]] = []
    turns = []
    for turn in row.rows("turns"):
        role, text = turn.one_of("role", ("user", "agent")), turn.text("text")
        if turn.values.get("satisfaction") is not None:
            label = turn.whole("satisfaction", high=2)
            if role == "agent":
                raise turn.wrong("satisfaction", "only a turn of the user is rated")
            turns.append(
                _Turn(
                    source=source,
                    conversation=f"{row.file.name}: {name}",
                    language=language,
                    text=text,
                    earlier=tuple(line for who, line in said if who == "user"),
                    before=next((line for who, line in reversed(said) if who == "agent"), ""),
                    lately="\n".join(f"{who}: {line}" for who, line in [*said[-_HISTORY:], (role, text)]),
                    label=label,
                )
            )
        said.append((role, text))
    return turns


def _scores(scorer: MoodScorer, turn: _Turn) -> tuple[float, float, float]:
    scores = scorer.score(turn.text, language=turn.language, earlier=turn.earlier, before=turn.before).scores
    return scores.negative, scores.neutral, scores.positive


def _fitted(files: Sequence[Path], turns: Sequence[_Turn]) -> list[int] | None:
    """Guesses of a model fitted per source on the ``train*.jsonl`` beside the files, if all have some."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    beside = sorted({one for file in files for one in file.parent.glob("train*.jsonl")} - set(files))
    training = [turn for file in beside if is_training(file) for turn in _rated(file)]
    guesses = [0] * len(turns)
    for source in {turn.source for turn in turns}:
        some = [turn for turn in training if turn.source == source]
        if len({turn.label for turn in some}) < 2:
            return None
        model = make_pipeline(
            TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2),
            LogisticRegression(max_iter=2000, class_weight="balanced"),
        )
        model.fit([turn.lately for turn in some], [turn.label for turn in some])
        places = [place for place, turn in enumerate(turns) if turn.source == source]
        for place, guess in zip(places, model.predict([turns[p].lately for p in places]), strict=True):
            guesses[place] = int(guess)
    return guesses


def _figures(turns: Sequence[_Turn], guesses: Sequence[int], slice: str, source: str) -> tuple[Figure, ...]:
    groups = [turn.conversation for turn in turns]
    labels = np.array([turn.label for turn in turns])
    majority = Counter(labels.tolist()).most_common(1)[0]
    always = Anchor(
        round(majority[1] / len(turns), 4), f"always answering {majority[0]}, computed on this data"
    )
    same = Anchor(
        round(macro_f1_of([majority[0]] * len(turns), labels, CLASSES)(np.arange(len(turns))), 4),
        always.source,
    )

    def anchors(name: str) -> tuple[Anchor, ...]:
        return _ANCHORS.get((name, source), ())

    return kept(
        measured(
            "macro-F1",
            macro_f1_of(guesses, labels, CLASSES),
            groups,
            slice=slice,
            anchors=(*anchors("macro-F1"), same),
        ),
        measured(
            "accuracy",
            mean_of(np.array(guesses) == labels),
            groups,
            slice=slice,
            anchors=(*anchors("accuracy"), always),
        ),
        measured(
            "F1 dissatisfied", _f1(guesses, labels), groups, slice=slice, anchors=anchors("F1 dissatisfied")
        )
        if (labels == 0).any()
        else None,
    )


def _f1(guesses: Sequence[int], labels: Rows) -> Statistic:
    return macro_f1_of(guesses, labels, [0])
