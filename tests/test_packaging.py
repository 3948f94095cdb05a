"""Wheel, sdist and editable install give the same imports and nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = {"mailsandbox", "mailsandbox_viewer", "pytest_mailsandbox"}
PROOF = """
import importlib.metadata as metadata, importlib.resources as resources, pathlib
import mailsandbox, mailsandbox_viewer, pytest_mailsandbox
assert metadata.version("mailsandbox") == mailsandbox.__version__
for name in ("mailsandbox", "mailsandbox_viewer", "pytest_mailsandbox"):
    assert (resources.files(name) / "py.typed").is_file(), name
assert (resources.files("mailsandbox_viewer") / "templates" / "list.html").is_file()
assert (resources.files("mailsandbox.microblog") / "schema.sql").is_file()
print(pathlib.Path(mailsandbox.__file__).parent)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder


def test_the_wheel_holds_three_names(built: Path) -> None:
    """Our three packages and the metadata; no tests, no stray module."""
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [points] = [archive.read(name).decode() for name in names if name.endswith("entry_points.txt")]
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == NAMES
    assert not [name for name in names if name.endswith((".pyc", ".db"))]
    assert "mailsandbox = mailsandbox.cli:main" in points
    assert "mailsandbox = pytest_mailsandbox" in points


def test_the_sdist_holds_the_sources(built: Path) -> None:
    """Tests and documents included: whoever packages it can run them."""
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"mailsandbox", "pytest_plugin", "web_viewer", "tests", "docs", "README.md", "LICENSE"} <= tops


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_an_install_gives_the_same_imports(built: Path, tmp_path: Path, kind: str) -> None:
    """From the wheel and from the sdist, away from the checkout."""
    [package] = built.glob(kind)
    target = tmp_path / "site"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "--target",
            str(target),
            str(package),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    code = f"import sys; sys.path.insert(0, {str(target)!r})\n{PROOF}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == target


def test_this_install_gives_the_same_imports(tmp_path: Path) -> None:
    """The editable install that the tests run from."""
    done = subprocess.run([sys.executable, "-c", PROOF], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
