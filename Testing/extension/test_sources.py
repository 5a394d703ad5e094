"""Sources that every supported Python reads, and module files with nothing heavy at file scope."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE_FILES = sorted(path for path in (ROOT / "SAM2VolumeSeg").rglob("*.py") if "__pycache__" not in path.parts)
SOURCES = [*MODULE_FILES, *sorted((ROOT / "SAM2VolumeSegLib").rglob("*.py"))]
SLICER = {"slicer", "vtk", "qt", "ctk", "SegmentEditorEffects", "numpy", "scipy", "SimpleITK"}
OURS = {"SAM2VolumeSegLib", *(path.name for path in (ROOT / "SAM2VolumeSeg").iterdir() if path.is_dir())}
"""What Slicer's review of extensions accepts at file scope beside the standard library, and our own packages."""
MOST_METHODS = 25


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lint(*paths: Path) -> subprocess.CompletedProcess:
    """The linter's report on syntax alone, as Python 3.10 would read the files."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--target-version", "py310"]
    files = map(str, paths)
    return subprocess.run([*command, "--select", "E9", *files], check=False, capture_output=True, text=True)


def imports_at_file_scope(tree: ast.AST):
    """Top-level names that importing the file imports: everything but function bodies."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0] if not node.level else "."
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        else:
            yield from imports_at_file_scope(node)


def test_sources_have_the_grammar_of_python_3_10():
    for path in SOURCES:
        ast.parse(path.read_text("utf-8"), str(path), feature_version=(3, 10))


def test_sources_use_no_syntax_that_is_newer_than_python_3_10():
    """What the grammar above lets through (nested quotes in f-strings, since 3.12), the linter finds."""
    done = lint(*SOURCES)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULE_FILES, ids=name_of)
def test_module_files_import_only_what_slicer_has_at_file_scope(path):
    names = set(imports_at_file_scope(ast.parse(path.read_text("utf-8"))))

    assert "." not in names, "Slicer loads these files without a package: relative imports fail"
    assert names <= SLICER | OURS | sys.stdlib_module_names


@pytest.mark.parametrize("path", MODULE_FILES, ids=name_of)
def test_module_files_do_nothing_at_file_scope(path):
    """Importing a module file only defines: no call but those that define (decorators, the check for the library)."""
    tree = ast.parse(path.read_text("utf-8"))
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Try, ast.If)
    for node in tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert docstring or isinstance(node, allowed), f"{name_of(path)}, line {node.lineno}"


def test_no_class_of_the_product_does_everything():
    """What has more methods than a reader keeps in mind is several things: the panel was once one object of 93."""
    product = [path for path in SOURCES if not {"Testing", "research"} & set(path.relative_to(ROOT).parts)]
    trees = [ast.parse(path.read_text("utf-8")) for path in product]
    classes = {node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    def methods(name):
        """Of a class and of those that it inherits from, so that nothing is split into mixins only."""
        own = {item.name for item in classes[name].body if isinstance(item, ast.FunctionDef)}
        return own.union(*(methods(base) for base in map(ast.unparse, classes[name].bases) if base in classes))

    large = {name: len(methods(name)) for name in classes if len(methods(name)) > MOST_METHODS}
    assert not large


def test_no_module_file_ends_in_test():
    """Slicer 5.13 does not load modules whose name ends in Test or Tests outside its testing mode."""
    assert not [path for path in (ROOT / "SAM2VolumeSeg").glob("*.py") if path.stem.endswith(("Test", "Tests"))]


def test_a_newer_f_string_would_be_found(tmp_path):
    """The linter's check above sees what Python 3.10 would refuse."""
    source = tmp_path / "newer.py"
    source.write_text('name = {"a": 1}\nprint(f"{name["a"]}")\n')

    assert lint(source).returncode == 1
