"""Imports point down: the table of the design, enforced."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "mailsandbox": ROOT / "mailsandbox",
    "mailsandbox_viewer": ROOT / "web_viewer" / "mailsandbox_viewer",
    "pytest_mailsandbox": ROOT / "pytest_plugin" / "pytest_mailsandbox",
}
ROWS = [
    ["errors", "clock", "html"],
    ["faults", "profiles", "extract", "listen"],
    ["message", "strategies"],
    ["matching"],
    ["assertions", "store"],
    ["inbox"],
    ["smtp", "flask.binding"],
    ["captured"],
    ["mailbox"],
    ["sandbox"],
    ["flask", "microblog", "mailsandbox_viewer", "pytest_mailsandbox"],
    ["cli"],
    ["__main__"],
]
ROW = {unit: number for number, units in enumerate(ROWS, 1) for unit in units}
# Each third-party library has one owner.
OWNERS = {
    "aiosmtpd": {"smtp"},
    "sqlalchemy": {"store"},
    "selectolax": {"html"},
    "trustme": {"smtp"},
    "waitress": {"mailsandbox_viewer"},
    "click": {"cli", "microblog"},
    "flask": {"flask.binding", "flask", "microblog", "mailsandbox_viewer", "cli"},
    "flask_mail": {"microblog"},
    "hypothesis": {"strategies"},
    "pytest": {"pytest_mailsandbox"},
}


def unit_of(module: str) -> str:
    """The row's unit that a module belongs to: `mailsandbox.store.sql` is part of `store`."""
    name = module.removeprefix("mailsandbox.")
    return name if name in ROW else name.partition(".")[0]


def modules() -> dict[str, Path]:
    found = {}
    for package, folder in PACKAGES.items():
        for file in sorted(folder.rglob("*.py")):
            parts = [package, *file.relative_to(folder).with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


def imports(file: Path, module: str) -> set[str]:
    """What `file` imports when it runs; what only a type checker sees does not count."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (start, node.module or "") if part)
            found |= {
                f"{source}.{alias.name}" if f"{source}.{alias.name}" in MODULES else source for alias in node.names
            }
    return found


MODULES = modules()


@pytest.mark.parametrize("module", [name for name in MODULES if name != "mailsandbox"])
def test_imports_point_down(module: str) -> None:
    """A module imports from lower rows only; the inside of a package is its own affair."""
    unit = unit_of(module)
    assert unit in ROW, f"{module} has no row in the table of docs/design.md"
    for name in imports(MODULES[module], module):
        if name.split(".")[0] in PACKAGES and name != "mailsandbox":
            other = unit_of(name)
            assert other == unit or ROW[other] < ROW[unit], (
                f"{module} (row {ROW[unit]}) imports {name} (row {ROW[other]})"
            )
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or unit in owners, (
            f"{module} imports {name}, which belongs to {', '.join(sorted(owners))}"
        )


def test_the_plugin_uses_public_names_only() -> None:
    """What it may use, everybody may."""
    used = {
        name for name in imports(MODULES["pytest_mailsandbox"], "pytest_mailsandbox") if name.startswith("mailsandbox")
    }
    assert used <= {"mailsandbox", "mailsandbox.clock"}


def test_microblog_knows_nothing_of_the_sandbox() -> None:
    """It is the application under test."""
    for module, file in MODULES.items():
        if module.startswith("mailsandbox.microblog"):
            known = {name for name in imports(file, module) if name.startswith("mailsandbox")}
            assert all(name.startswith("mailsandbox.microblog") for name in known), (module, known)


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_small_and_introduce_themselves(module: str) -> None:
    """One noun a module: at most 400 lines, and a docstring first."""
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert not text.strip() or ast.get_docstring(ast.parse(text)), module


def test_the_table_is_in_the_design() -> None:
    """A new arrow or module changes the document in the same commit."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for unit in ROW:
        if unit not in ("__main__", "flask"):
            assert f"`{unit.replace('.', '/')}" in text, unit
