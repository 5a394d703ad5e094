"""What a run would compute where an earlier one has computed a part of it: found out piece by piece."""

import time

from SAM2VolumeSegLib.panel import choices as ch

PIECE = 0.05  # s, after which the event loop goes on


class WorkAhead:
    """Looks up what is known, from the event loop. What was looked up stays true until something changes."""

    def __init__(self, logic, timers, onFound):
        """Nothing is looked up yet.

        Args:
            logic: knows what is known.
            timers: makes a timer.
            onFound: called when all is looked up.
        """
        self._logic, self._onFound = logic, onFound
        self._timer = timers.make(0, self.onStep)
        self._asked = self._held = self._steps = self._found = None

    def of(self, seeds, volume, choices, batchSize):
        """What a run would compute.

        Args:
            seeds: by segment ID, those in use.
            volume: the CT as the engine has it.
            choices: of the run.
            batchSize: slices that the network predicts at once.

        Returns:
            The `Workload`, and whether it is what will be; else it is the most that it can be, and is being looked up.

        Raises:
            InputError: there can be no such run.
        """
        most = self._logic.workload(seeds, volume, choices, batchSize)
        knowledge = self._logic.knowledge(choices)
        if knowledge is None:
            self.stop()
            return most, True
        # Masks are compared as objects: where something was painted, there is a new one. Holding them keeps their IDs.
        each = [(name, seed) for name, own in seeds.items() for seed in own]
        asked = [(name, seed.plane, seed.index, None if seed.absent else id(seed.mask)) for name, seed in each]
        asked += [knowledge, ch.settings_from(choices), id(volume)]
        if asked != self._asked:
            self.stop()
            self._asked, self._held = asked, (each, volume)
            self._steps = self._logic.workAhead(seeds, volume, choices)
            self._timer.start()
        return (most, False) if self._found is None else (self._found, True)

    def onStep(self):
        """Look up some slices."""
        until = time.monotonic() + PIECE
        try:
            while time.monotonic() < until:
                next(self._steps)
        except StopIteration as end:
            self._found = end.value
            self._onFound()
            return
        self._timer.start()

    def stop(self):
        """Nobody asks any more."""
        self._timer.stop()
        self._asked = self._held = self._steps = self._found = None
