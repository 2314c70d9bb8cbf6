"""Open every page of the built site in a browser, and report what is wrong with it.

``python docs/look.py docs/_build/html --shots shots`` needs ``pip install playwright`` and a
Chromium (``playwright install chromium``, or ``--browser PATH``). It opens each page at 1280
and at 400 pixels width, light and dark. It reports parts that leave the window, pictures that
do not load, errors of scripts, and links whose page or heading does not exist in the site.
"""

import argparse
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urldefrag

from playwright.sync_api import sync_playwright

WAYS = [(width, scheme) for width in (1280, 400) for scheme in ("light", "dark")]
FACTS = """() => {
  const scrolls = (node) => node && (
    ["auto", "scroll", "hidden"].includes(getComputedStyle(node).overflowX)
    && node !== document.body && node !== document.documentElement
    || scrolls(node.parentElement));
  const name = (node) => `${node.tagName} ${node.className} ${node.textContent.slice(0, 40)}`;
  const main = document.querySelector("main") || document.body;
  const leaves = (node) => node.getBoundingClientRect().right > innerWidth + 1
    || node.clientWidth && node.scrollWidth > node.clientWidth + 1
    && node.getBoundingClientRect().left + node.scrollWidth > innerWidth + 1;
  const wide = [...main.querySelectorAll("*")].filter((node) =>
    leaves(node) && node.checkVisibility() && !scrolls(node));
  const root = document.documentElement;
  return {
    overflow: root.scrollWidth > root.clientWidth ? `${root.scrollWidth} pixels` : "",
    wide: wide.slice(0, 3).map(name),
    broken: [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src),
    links: [...document.querySelectorAll("a[href]")].map((a) => a.href),
    ids: [...document.querySelectorAll("[id]")].map((node) => node.id),
  };
}"""


Quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *args: None})


def look(page, root, address, shots, report):
    """Open all pages below ``root`` in one way; return their links and the ids of headings."""
    links, ids = {}, {}
    for path in sorted(set(root.rglob("*.html")) - set(root.glob("_static/**/*.html"))):
        name = path.relative_to(root).as_posix()
        page.goto(address + name, wait_until="load")
        page.evaluate("document.querySelectorAll('img').forEach((i) => i.loading = 'eager')")
        page.wait_for_load_state("networkidle")
        facts = page.evaluate(FACTS)
        for kind in ("overflow", "wide", "broken"):
            if facts[kind]:
                report(name, kind, facts[kind])
        links[name], ids[name] = facts["links"], set(facts["ids"])
        if shots:
            folder = shots / "-".join(map(str, page.way))
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=(folder / name).with_suffix(".png"), full_page=True)
    return links, ids


def main():
    """Look at the site in four ways; exit with 1 if anything is reported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--shots", type=Path, help="a folder for pictures of all pages")
    parser.add_argument("--browser", help="path of a Chromium")
    args = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=args.site))
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=args.browser, args=["--no-sandbox"]
        )
        for way in WAYS:
            size = {"width": way[0], "height": 900}
            page = browser.new_page(viewport=size, color_scheme=way[1])
            page.way = way
            report = partial(lambda way, *what: found.append((*way, *what)), way)
            page.on("pageerror", lambda error, page=page: found.append((page.url, str(error))))
            links, ids = look(page, args.site, address, args.shots, report)
            page.close()
    for name, targets in links.items():
        for target in {t for t in targets if t.startswith(address)}:
            url, heading = urldefrag(target.removeprefix(address))
            url = unquote(url) or "index.html"
            there = (args.site / url).exists()
            if not there or (heading and url in ids and unquote(heading) not in ids[url]):
                found.append((name, "link", target.removeprefix(address)))
    print(*(" ".join(map(str, what)) for what in found), sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
