"""Evaluate a model whose words nobody checks: what the checks are worth.

Every sentence stands, nothing is withdrawn, corrected or added, and no question is refused for want of
passages. For the table in ``docs/finetuning.md`` alone: the product itself has no such setting.

    python tools/without_checks.py --out run-unchecked --adapter none    # the options of: amends eval run
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import typer

from agent import answering
from agent.answering import Draft
from agent.grounding import Claim, SourceSet
from agent.ids import Language
from retrieval.passages import Passage
from retrieval.quote import Quote
from serving.commands.eval import run as command


class Unchecked(SourceSet):
    """Lets every sentence stand; one without support has no citation."""

    def check(self, sentence: str) -> Claim:
        """The claim as it is judged, or as talk, which needs no source."""
        claim = super().check(sentence)
        return claim if claim.supported else replace(claim, kind="talk", supported=True)


class Said(Draft):
    """All of it counts as an answer."""

    @property
    def supported(self) -> list[Claim]:
        """Every sentence."""
        return self.kept


def nothing_added(
    draft: Draft, question: str, passages: Sequence[Passage], language: Language
) -> list[Quote]:
    """No sentence of the sources follows."""
    return []


def main() -> None:
    """Take the checks out of this process and run the evaluation."""
    answering.SourceSet = Unchecked  # type: ignore[misc]
    answering.Draft = Said  # type: ignore[misc]
    answering._left_out = nothing_added
    checked = command.version
    command.version = lambda *given: replace(checked(*given), answerable=0.0)
    typer.run(command.run)


if __name__ == "__main__":
    main()
