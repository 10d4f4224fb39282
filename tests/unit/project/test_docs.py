"""The documentation as text: what is generated, where links lead, and words that the project does not use."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from project import PROJECT
from scripts import settings

PAGES = sorted(
    page
    for folder in ("*.md", "docs/**/*.md", "samples/*.md", ".github/**/*.md")
    for page in PROJECT.glob(folder)
    if page.is_file()
)
FENCED = re.compile(r"^( *)(`{3,}).*?^\1\2`*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
PHRASES = [
    line for line in (PROJECT / "docs" / "phrases.txt").read_text().splitlines() if line and not line.startswith("#")
]


def named(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def prose(page: Path) -> str:
    """A page without its code, line by line as it is."""
    without_blocks = FENCED.sub(lambda block: "\n" * block[0].count("\n"), page.read_text())
    return CODE.sub("`", without_blocks)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    kept = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()) for heading in headings)
    return {text.replace(" ", "-") for text in kept}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def test_the_page_of_settings_has_them_as_config_py_has_them() -> None:
    text = settings.PAGE.read_text()
    assert text == settings.with_table(text), "run `make settings`"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_has_a_phrase_with_a_plainer_one(page: Path) -> None:
    text = " ".join(prose(page).split())
    found = []
    for phrase, _, plainer in (line.partition(" -> ") for line in PHRASES):
        found += [f"{match[0]!r}: say {plainer!r}" for match in re.finditer(rf"\b{phrase}\b", text, re.IGNORECASE)]
    assert found == []


def test_the_front_page_fits_a_screen_or_two() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 130
