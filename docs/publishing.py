"""What MkDocs does beside building docs/: pages from elsewhere in the repository, and a last look.

README.md is the first page, and what pages link to outside of docs/ is published with them.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import File, Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
README = "README.md"
_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")
_LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\s(?:src|href)=[\"']?(?:https?:)?//")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add README.md, and whatever pages link to, to the files of the site."""
    from mkdocs.structure.files import File

    pages = [README, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    known = {f"docs/{file.src_uri}" for file in files}
    for page in pages:  # which grows
        if page not in known:
            known.add(page)
            files.append(File.generated(config, _published(page), abs_src_path=str(ROOT / page)))
        for target in _targets(page) if page.endswith(".md") else ():
            if target not in pages and target not in known and (ROOT / target).is_file():
                pages.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to where their targets are published."""
    source = _source(page.file)

    def led(link: re.Match[str]) -> str:
        target = _target(source, link[1])
        if not (ROOT / target).is_file():
            return link[1]  # which MkDocs tells
        return posixpath.relpath(_published(target), posixpath.dirname(page.file.src_uri))

    return _LINK.sub(led, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that loads anything from elsewhere.

    Raises:
        PluginError: It does.
    """
    from mkdocs.exceptions import PluginError

    if loaded := _LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads {loaded.group()}…: publish it with the site.")
    return output


def _targets(page: str) -> list[str]:
    """The files that a page links to, by their paths in the repository."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [_target(page, link) for link in _LINK.findall(text)]


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _published(path: str) -> str:
    """Where a file of the repository is in the site."""
    return "index.md" if path == README else path.removeprefix("docs/")


def _source(file: File) -> str:
    """The path in the repository of a file of the site."""
    if file.src_uri == "index.md":
        return README
    return f"docs/{file.src_uri}" if (ROOT / "docs" / file.src_uri).is_file() else file.src_uri
