"""A report in files."""

import pytest
from report_cases import a_report_of

from SAM2VolumeSegLib.report import write_report


@pytest.fixture(scope="session")
def a_report(a_phantom):
    return a_report_of(a_phantom)


@pytest.fixture(scope="session")
def a_folder(a_report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, a_report)
    return folder
