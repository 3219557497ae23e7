"""What holds for every test."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """As every process of a run: two threads on two busy cores wait for each other."""
    torch.set_num_threads(1)
