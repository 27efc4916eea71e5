"""Whether each sentence of an answer is supported by a source.

A claim needs a source sentence that says the same: every figure, code, name and weighty term
stands there (figures with their unit kind, and belonging to the same thing), enough of the
content words overlap, and neither says no where the other says yes. What was "done" needs a
source whose id starts with ``action:``. Greetings, questions and plain offers of help claim
nothing. The rules are strict on purpose: a claim they cannot tie to a source is not said.

Given :class:`Vectors`, a scorer takes the place of word overlap: the claim is cut into its statements,
and each must be likely enough beside some window of a passage that passes every rule, while no sentence
nearer to it says otherwise. Deeds and live order facts are judged by rules and overlap in any case.

Reason codes: ``number_not_in_source``, ``number_of_something_else``, ``comparison``,
``date_not_in_source``, ``code_not_in_source``, ``name_not_in_source``, ``term_not_in_source``,
``polarity``, ``action_not_done``, ``not_stated``, ``no_overlap``, ``no_content``, ``no_sources``.
"""

from __future__ import annotations

from agent.grounding.check import SourceSet, check
from agent.grounding.claims import Claim, Kind, Source
from agent.sentences import SentenceSplitter, split_sentences
from retrieval.vectors import Embed, Vectors

__all__ = [
    "Claim",
    "Embed",
    "Kind",
    "SentenceSplitter",
    "Source",
    "SourceSet",
    "Vectors",
    "check",
    "split_sentences",
]
