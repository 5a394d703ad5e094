"""The phantom in Sample Data: a registration that Slicer refuses is an error at every start of the application."""

import ast
from pathlib import Path

MODULE = Path(__file__).resolve().parents[2] / "SAM2VolumeSeg" / "SAM2VolumeSeg.py"


def registration() -> dict[str, ast.expr]:
    """The arguments of registerCustomSampleDataSource in the module file."""
    calls = [node for node in ast.walk(ast.parse(MODULE.read_text("utf-8"))) if isinstance(node, ast.Call)]
    (call,) = [call for call in calls if getattr(call.func, "attr", "") == "registerCustomSampleDataSource"]
    return {keyword.arg: keyword.value for keyword in call.keywords}


def test_the_lists_of_the_sample_have_one_length():
    """Slicer 5.10 to 5.13 compare the lengths of uris and fileNames, and refuse None."""
    arguments = registration()

    uris, names = (ast.literal_eval(arguments[key]) for key in ("uris", "fileNames"))
    assert isinstance(uris, list)
    assert len(uris) == len(names)


def test_the_sample_is_computed_and_has_a_picture():
    arguments = registration()

    assert {"customDownloader", "thumbnailFileName", "sampleName", "category"} <= arguments.keys()
