"""The generated pages, and what the README promises."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
assert spec is not None
assert spec.loader is not None
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


@pytest.mark.parametrize("name", build.PAGES)
def test_generated_page_is_up_to_date(name: str) -> None:
    """`make docs` was run after the last change of a table."""
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")

    assert page == build.NOTE + build.PAGES[name](), "run `make docs`"


def test_every_operation_is_listed_once() -> None:
    """The known ones, and whatever a method says that it calls."""
    listed = [(verb, path) for _, verb, path, _ in build.operations()]

    assert len(listed) == len(set(listed)) == 201
    assert build.calls().keys() <= {build.operation_key(*operation) for operation in listed}


def test_every_endpoint_that_is_called_is_named_by_its_method() -> None:
    """A request that no docstring names would be missing from the table."""
    home = ROOT / "src" / "ibkr_async"
    ours = (path for part in ("resources", "session") for path in (home / part).rglob("*.py"))
    paths = re.findall(r'"(/[a-z][^" ]*)"', "".join(path.read_text("utf-8") for path in ours))
    named = {key.partition(" ")[2] for key in build.calls()}

    assert len(set(paths)) > 40
    assert {path for path in paths if build.operation_key("", path).strip() not in named} == set()


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_python_block_of_the_pages_compiles() -> None:
    """What users paste is at least Python."""
    blocks = {
        page.name: re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for page in PAGES
    }

    assert len(blocks["README.md"]) >= 3
    assert len(blocks["first-bot.md"]) == 1
    for name, found in blocks.items():
        for block in found:
            body = block.replace(chr(10), chr(10) + "    ")
            compile(f"async def example():\n    {body}", name, "exec")


def test_links_of_the_pages_exist() -> None:
    """No link of the README, or of a page in docs/, leads nowhere."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_page_shows_the_demo_bot_as_it_is() -> None:
    """The bot of docs/first-bot.md is the one that `make demo` runs."""
    source = (ROOT / "src" / "ibkr_async" / "cli" / "demo_bot.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "first-bot.md").read_text(encoding="utf-8")

    assert source[source.index("async def trade(") :].rstrip() in page
