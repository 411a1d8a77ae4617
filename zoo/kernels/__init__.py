"""How a recurrent layer runs on each device: `fused` on a CPU, `cudnn` on a GPU, `loop` anywhere; `dispatch` chooses."""

from zoo.kernels.dispatch import export_scope, recurrence, require_right_padding, truncation_scope

__all__ = ["export_scope", "recurrence", "require_right_padding", "truncation_scope"]
