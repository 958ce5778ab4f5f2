"""Training on all devices at once, each with its share of every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras

from slimrnn.errors import InputError


def share(batch_sizes: Iterable[int]) -> int:
    """Makes all devices compute the models built from now on; how many there are.

    Args:
        batch_sizes: in training. Each device computes an equal part of a batch. One
            that has no equal parts, as an epoch's last may, each computes whole.
    """
    if keras.backend.backend() != "jax":
        raise InputError(
            f"--data-parallel needs JAX; Keras runs on {keras.backend.backend()}: give "
            f"--backend jax."
        )
    devices = len(keras.distribution.list_devices())
    for size in batch_sizes:
        if size % devices:
            raise InputError(
                f"A batch of {size} cannot be shared out over {devices} devices; give "
                f"a batch size that {devices} divides, or leave --data-parallel out."
            )
    keras.distribution.set_distribution(_Shared())
    return devices


def spread(model: keras.Model) -> keras.Model:
    """The model, computed on all devices if that is what :func:`share` made so."""
    distribution = keras.distribution.distribution()
    if isinstance(distribution, _Shared):
        for name in ("train_step", "test_step", "predict_step"):
            setattr(model, name, distribution.shared(getattr(model, name)))
    return model


class _Shared(keras.distribution.DataParallel):
    """Keras's own, for batches of which one may have any number of samples.

    Keras places each batch on the devices as it placed the first, and fails where one
    has no equal parts. So the whole of it goes to each device, and a step of the model
    begins with taking the device's part, where there is one.
    """

    def get_data_layout(self, data_shape: tuple[int, ...]) -> Any:
        """Keras: where a batch is placed."""
        axes = [None] * len(data_shape)
        return keras.distribution.TensorLayout(axes, self.device_mesh)

    def shared(self, step: Callable) -> Callable:
        """A model's step of which each device computes its part."""
        import jax

        parts = super().get_data_layout((None,)).backend_layout

        def part(tensor: Any) -> Any:
            if tensor.shape[0] % self.device_mesh.devices.size:
                return tensor
            return jax.lax.with_sharding_constraint(tensor, parts)

        return lambda state, data: step(state, jax.tree.map(part, data))
