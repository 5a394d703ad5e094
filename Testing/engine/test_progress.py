import pytest

from SAM2VolumeSegLib.progress import ProgressLine, duration, follow


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.2, "1 s"), (42, "42 s"), (59.5, "60 s"), (60, "1 min"), (100, "2 min"), (4900, "1 h 22 min")],
)
def test_times_are_written_for_people(seconds, text):
    assert duration(seconds) == text


def counted(steps):
    yield from range(steps + 1)
    return "the result"


@pytest.mark.parametrize("quiet", [True, False])
def test_a_run_is_followed_to_its_result(quiet, capsys):
    found = follow(counted(3), lambda step: ProgressLine(step, 3, "axial 7", "1 min left"), "slices", quiet)

    said = capsys.readouterr()
    assert found == "the result" and "3 of 3 slices" in (said.out if quiet else said.err)


def test_a_log_has_a_hundred_lines_of_a_long_run(capsys):
    follow(counted(2500), lambda step: ProgressLine(step, 2500, ""), "slices", quiet=True)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 101 and lines[-1] == "2500 of 2500 slices"


def test_an_interrupt_closes_the_run():
    """Else a network would go on in the background, or its files stay open."""
    closed = []

    def run():
        try:
            yield 1
        finally:
            closed.append(True)

    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(run(), interrupt, "slices", quiet=True)
    assert closed
