"""Commands in processes of their own."""

import os
import signal
import subprocess


def start(command, **environment):
    """The running command, its output in pipes; None takes a variable away."""
    variables = {**os.environ, **environment}
    return subprocess.Popen(
        list(map(str, command)),
        env={name: value for name, value in variables.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_ctrl_c,
    )


def two_devices():
    """A process's environment in which JAX has two, and what else XLA was told."""
    flags = [os.environ.get("XLA_FLAGS"), "--xla_force_host_platform_device_count=2"]
    return {**os.environ, "XLA_FLAGS": " ".join(filter(None, flags))}


def _heed_ctrl_c():
    """Undo what a shell does to a command in its background: SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
