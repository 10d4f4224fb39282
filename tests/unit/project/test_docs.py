"""The text of the documentation: generated parts, targets of links, and phrases that the project does not use."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.scale import page as scale
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
    """Return a page without its code. Line numbers do not change."""
    without_blocks = FENCED.sub(lambda block: "\n" * block[0].count("\n"), page.read_text())
    return CODE.sub("`", without_blocks)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    texts = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()) for heading in headings)
    return {text.replace(" ", "-") for text in texts}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def test_the_settings_page_is_up_to_date() -> None:
    text = settings.PAGE.read_text()
    assert text == settings.with_table(text), "run `make settings`"


def test_the_page_about_scale_is_up_to_date() -> None:
    text = scale.PAGE.read_text()
    assert text == scale.with_figures(text), "run `make scale`"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_has_an_existing_target(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_contains_a_phrase_with_a_plainer_alternative(page: Path) -> None:
    text = " ".join(prose(page).split())
    matches = []
    for phrase, _, plainer in (line.partition(" -> ") for line in PHRASES):
        matches += [f"{match[0]!r}: say {plainer!r}" for match in re.finditer(rf"\b{phrase}\b", text, re.IGNORECASE)]
    assert matches == []


def test_the_readme_has_at_most_130_lines() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 130
