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


def test_every_python_block_of_the_readme_compiles() -> None:
    """What users paste is at least Python."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)

    assert len(blocks) >= 4
    for block in blocks:
        compile(
            f"async def example():\n    {block.replace(chr(10), chr(10) + '    ')}", "r", "exec"
        )


def test_links_of_the_readme_exist() -> None:
    """No link of the README leads nowhere."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / target).exists(), target


def test_readme_shows_the_demo_bot_as_it_is() -> None:
    """The README's bot is the one that `make demo` runs."""
    source = (ROOT / "src" / "ibkr_async" / "cli" / "demo_bot.py").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert source[source.index("async def trade(") :].rstrip() in readme
