"""The documentation's Markdown: its files, blocks, headings, links and tables."""

import glob
import os
import re

from . import proc

FENCE = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2 *$", re.M | re.S)
LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r'<img[^>]*\bsrc="([^"]+)"')
CODE = re.compile(r"(`+)(.+?)\1")


def files():
    """Paths of all Markdown files below the sources, relative to them."""
    found = glob.glob(os.path.join(proc.SRCDIR, "*.md")) + glob.glob(
        os.path.join(proc.SRCDIR, "*", "*.md"))
    names = sorted(os.path.relpath(path, proc.SRCDIR) for path in found)
    # A build folder or quickstart's, in the middle of the sources, is none of them.
    return [name for name in names if not re.match(r"(build|run)[^/]*/", name)]


def read(name):
    return proc.read_text(os.path.join(proc.SRCDIR, name))


class Block:
    """A fenced block: the language, what stands behind it, its text, the line it begins on."""

    def __init__(self, text, match):
        self.language, _, self.note = match[3].strip().partition(" ")
        indent = match[1]
        self.text = re.sub(rf"(?m)^{indent}", "", match[4]) if indent else match[4]
        self.line = text.count("\n", 0, match.start()) + 1
        self.end = match.end()
        self.start = match.start()


def blocks(text):
    return [Block(text, match) for match in FENCE.finditer(text)]


def prose(text):
    """The text without its blocks and code."""
    return CODE.sub("", FENCE.sub("", text))


def anchors(text):
    """What #… may name: the headings, as GitHub makes anchors of them."""
    found = []
    for heading in re.findall(r"(?m)^#{1,6} +(.*?) *$", FENCE.sub("", text)):
        plain = LINK.sub(lambda m: m[0].split("]")[0].lstrip("!["), heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.append(anchor if anchor not in found else f"{anchor}-{found.count(anchor)}")
    return found


def links(text):
    """Targets of links and pictures."""
    text = FENCE.sub("", text)
    return LINK.findall(CODE.sub("code", text)) + IMAGE.findall(text)


def rows(text):
    """Cells of every row of every table."""
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in FENCE.sub("", text).split("\n") if line.startswith("|")]


def code(cell):
    """The pieces of code in a cell."""
    return [match[1] for match in CODE.findall(cell)]


def table(text, *heads):
    """Rows of the table that begins with these column names: [[cell, ...], ...]."""
    start = re.search(r"(?m)^\| *" + r" *\| *".join(map(re.escape, heads)) + r" *\|.*\n\|[-:| ]+\n",
                      text)
    if not start:
        raise ValueError(f"there is no table with the columns {', '.join(heads)}")
    rows = re.match(r"(?:\|.*\n)*", text[start.end():])[0].splitlines()
    return [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
