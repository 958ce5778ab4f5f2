"""The benchmark: `slimrnn bench`, run from a clone of the project.

- ``works.py``: what is measured, and at which shapes; ``targets.toml``: what has to
  be reached.
- ``peers``: how each competitor, and this library, does one iteration.
- ``worker.py``: the process of one peer; ``processes.py``: its other end.
- ``measure.py``: the rounds, in which every peer takes its turn.
- ``results.py``, ``verdicts.py``: the numbers, and what they are worth.
- ``report.py``, ``picture.py``: how they are shown.

``firmware`` is the benchmark of the exported C on emulated microcontrollers, `slimrnn
bench firmware`; ``story.py`` and ``amplifier.py`` go there all the way from training.
The others are scripts of their own, which share ``script.py``, and those that train
``fit.py``; each one's ``--help`` says what it measures.
"""
