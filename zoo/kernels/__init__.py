"""How a recurrent layer runs on each device: `loop` anywhere, `block` fused on a CPU, `cudnn` on a GPU; `dispatch` chooses."""

from zoo.kernels.dispatch import export_scope, recurrence, require_right_padding

__all__ = ["export_scope", "recurrence", "require_right_padding"]
