"""What holds for every test."""

from __future__ import annotations

import os

# Before numpy is loaded, as the command line does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """As every process of a run: two threads on two busy cores wait for each other."""
    torch.set_num_threads(1)
