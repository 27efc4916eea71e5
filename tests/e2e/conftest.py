"""The product, running, for tests that see it from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.product import RunningProduct, copy_index
from tests.servers import SMALL_MODEL
from tests.slow_model import SlowModel, slow_model


@pytest.fixture(scope="session")
def paced_model(vllm_url: str) -> Iterator[SlowModel]:
    """The real model, with a pace that tests can slow down or break."""
    with slow_model(vllm_url) as proxy:
        yield proxy


@pytest.fixture
def product(tmp_path: Path, demo_index: Path, paced_model: SlowModel) -> Iterator[RunningProduct]:
    """``amends up`` on fresh data with the demo shop's index."""
    copy_index(demo_index, tmp_path)
    paced_model.delay, paced_model.broken = 0.0, False
    running = RunningProduct(
        tmp_path,
        paced_model.url,
        SMALL_MODEL,
        {"AMENDS_RETENTION__HOLDOUT": "0", "AMENDS_RETENTION__THRESHOLD": "0.05"},
    )
    running.start()
    yield running
    running.stop()
