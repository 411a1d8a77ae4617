"""How a recurrent layer runs on each device: `fused` on a CPU, `cudnn` on a GPU, `loop` anywhere; `dispatch` chooses."""

from zoo.kernels.cells import GRU, LSTM, RNN
from zoo.kernels.dispatch import export_scope, have_cudnn, loop_scope, recurrence, truncation_scope

__all__ = ["GRU", "LSTM", "RNN", "export_scope", "have_cudnn", "loop_scope", "recurrence", "truncation_scope"]
