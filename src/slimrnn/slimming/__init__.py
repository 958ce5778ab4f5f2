"""A trained model with slim layers: rebuilt, started from its weights, and distilled.

`conversion` makes the model and starts it, `distillation` is what it is trained by,
`training` puts them together, `measurement` measures before and after.
"""

from typing import TYPE_CHECKING

from slimrnn.slimming.options import Options
from slimrnn.utils.optional import lazy

if TYPE_CHECKING:
    from slimrnn.slimming.conversion import rebuild
    from slimrnn.slimming.distillation import Distillation
    from slimrnn.slimming.measurement import Figures, measure
    from slimrnn.slimming.training import slim

# Imported when first asked for: they import Keras, and `slimrnn --help` does not.
__getattr__, __dir__ = lazy(
    __name__,
    {
        "conversion": ("rebuild",),
        "distillation": ("Distillation",),
        "measurement": ("Figures", "measure"),
        "training": ("slim",),
    },
)

__all__ = ["Distillation", "Figures", "Options", "measure", "rebuild", "slim"]
