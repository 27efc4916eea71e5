from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.offers import LoggedDecision, OfferContext
from tests.retention.stories import MIA, NOW

CONTEXT = OfferContext(MIA, "en", 0.7, ("handoff", 0.6), Decimal(0), 0, NOW)


@given(st.floats(max_value=0) | st.floats(min_value=1, exclude_min=True) | st.just(math.nan))
def test_a_decision_without_a_usable_propensity_cannot_be_logged(propensity: float) -> None:
    with pytest.raises(ValueError, match="propensity"):
        LoggedDecision(CONTEXT, "none", propensity, 0.0, NOW, "threshold/1")


@pytest.mark.parametrize("propensity", [1e-9, 0.5, 1.0])
def test_a_decision_with_one_can(propensity: float) -> None:
    assert LoggedDecision(CONTEXT, "none", propensity, 0.0, NOW, "p/1").propensity == propensity
