"""Check a built site offline: ``python docs/links.py build/site``.

Every link within it leads to a file, and to a place that is there; and no page asks
another server for a script, a style, a font or a picture.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
FOREIGN = re.compile(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)\s]*")


class Page(HTMLParser):
    """The places of a page, where it leads, and what it loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Keeps what an element is called, loads and leads to."""
        given = dict(attrs)
        self.places |= {given[key] for key in ("id", "name") if given.get(key)}
        address = given.get(LOADED.get(tag, "href"))
        if address and tag in LOADED:
            self.loads.append(address)
        elif address and tag == "a":
            self.links.append(address)


def wrong(root: Path) -> list[str]:
    """What is wrong, a line each."""
    pages = {path: Page(path) for path in root.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for address in (*page.links, *page.loads):
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") or parts.netloc:
                if address in page.loads:
                    found.append(f"{path}: loads {address}")
                continue
            if parts.scheme:
                continue
            target = (
                (path.parent / unquote(parts.path)).resolve() if parts.path else path
            )
            if not target.is_file():
                found.append(f"{path}: {address} is not there")
                continue
            place = unquote(parts.fragment)
            if place and target in pages and place not in pages[target].places:
                found.append(f"{path}: {address} has no such place")
    for style in root.rglob("*.css"):
        for address in FOREIGN.findall(style.read_text(encoding="utf-8")):
            found.append(f"{style}: loads {address}")
    return found


if __name__ == "__main__":
    problems = wrong(Path(sys.argv[1]).resolve())
    print("\n".join(problems) or "Every link leads somewhere; nothing is loaded.")
    sys.exit(bool(problems))
