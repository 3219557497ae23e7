"""What a network remembers: an LSTM over whole columns, or one row at a time.

Shapes as in `agents.networks`: T steps, B columns, N rows, F features, H width of the state.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Memory(nn.LSTMCell):
    """An LSTM with the parameters of PyTorch's cell; its state travels as one `core`, hidden before cell.

    What the features add to the gates needs no state, so one product computes it for all steps; only the
    recurrent product waits for the step before. The state stays float32 under autocast.
    """

    def over_rows(self, features: Tensor, core: Tensor | None) -> Tensor:
        """[N, F], [N, 2, H] before these rows -> [N, 2, H] after them."""
        return torch.stack(_step(self._seen(features), self._recurrent(), *_halves(core)), 1)

    def over_columns(
        self, features: Tensor, first: Tensor, core: Tensor | None, acting: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Hidden state [T B, H] after every row, and core [B, 2, H] after the last.

        features: [T, B, F]. core: [B, 2, H] before row 0.
        first: [T, B] bool, the state becomes zero before such a row is consumed.
        acting: [T, B] bool, other rows leave the state as it is; None where all rows act.
        """
        hidden, cell = _halves(core)
        kept = (~first).to(hidden.dtype)[..., None]
        moves = [None] * len(first) if acting is None else acting[..., None].unbind(0)
        weight, outputs = self._recurrent(), []
        for seen, keep, move in zip(self._seen(features), kept, moves, strict=True):
            before = hidden * keep, cell * keep
            hidden, cell = _step(seen, weight, *before)
            outputs.append(hidden)
            if move is not None:
                hidden, cell = torch.where(move, hidden, before[0]), torch.where(move, cell, before[1])
        return torch.cat(outputs), torch.stack((hidden, cell), 1)

    def _seen(self, features: Tensor) -> Tensor:
        """[..., F] -> [..., 4 H] what features and biases add to the gates."""
        seen = nn.functional.linear(features, self.weight_ih, self.bias_ih + self.bias_hh)
        return seen.to(self.weight_ih.dtype)

    def _recurrent(self) -> Tensor:
        """[4 H, H] the recurrent weights in the dtype of the product, cast once for all steps.

        Autocast would keep its cast only until another thread is done with its own.
        """
        kind = self.weight_hh.device.type
        return (
            self.weight_hh.to(torch.get_autocast_dtype(kind))
            if torch.is_autocast_enabled(kind)
            else self.weight_hh
        )


def _step(seen: Tensor, weight: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """[N, 4 H], [4 H, H], [N, H], [N, H] -> hidden and cell state [N, H] after these rows."""
    gates = seen + nn.functional.linear(hidden, weight)
    take, forget, new, give = gates.chunk(4, 1)
    cell = torch.addcmul(forget.sigmoid() * cell, take.sigmoid(), new.tanh())
    return give.sigmoid() * cell.tanh(), cell


def _halves(core: Tensor | None) -> tuple[Tensor, Tensor]:
    """[N, 2, H] -> hidden and cell state [N, H]."""
    if core is None:
        raise ValueError("a recurrent network must be given its core; see initial_core")
    hidden, cell = core.unbind(1)
    return hidden, cell
