"""Reading pages back: tags that are balanced, ids that are unique, and nothing from elsewhere."""

import html.parser
import itertools
import re

ALONE = {"meta", "br", "hr", "img"}
LOADING = {"link", "iframe", "object", "embed", "image", "use", "video", "audio", "source", "base"}


class Page(html.parser.HTMLParser):
    """A page's tags, attributes, texts, tables and numbers; one that is not well formed fails."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.ids = [], [], [], []
        self.texts, self.headings, self.numbers, self.rows, self.codes = [], [], [], [], []
        assert text.startswith("<!DOCTYPE html>\n<html lang=")
        self.feed(text)
        self.close()
        assert not self.open, self.open
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in ALONE:
            self.open.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.headings.append((int(tag[1]), ""))
        if tag == "data":
            self.numbers.append(float(dict(attrs)["value"]))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td") and self.rows:
            self.rows[-1].append("")
        if tag == "code":
            self.codes.append("")
        if tag == "th":
            assert dict(attrs)["scope"] in ("row", "col")

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.texts.append(data)
        if any(re.fullmatch(r"h\d", tag) for tag in self.open):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)
        if self.rows and {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data
        if "code" in self.open:
            self.codes[-1] += data

    @property
    def text(self):
        """Everything that is read, blanks as one."""
        return " ".join("".join(self.texts).split())

    def row(self, start):
        """The cells of the first row whose heading begins so."""
        return next(row for row in self.rows if row and row[0].startswith(start))


def checked(text):
    """A page as it must be: loads nothing, headings in order, all pictures said in words."""
    page = Page(text)
    assert not LOADING & set(page.tags), LOADING & set(page.tags)
    assert page.tags.count("script") == page.tags.count("style") == page.tags.count("h1") == 1
    for tag, name, value in page.attributes:
        assert name not in ("src", "srcset", "data") and not name.startswith("on"), (tag, name)
        if name == "href":
            assert tag == "a" and re.match(r"#|https://(arxiv|doi)\.org/", value), value
            assert not value.startswith("#") or value[1:] in page.ids, value
        if (tag, name) == ("svg", "role"):
            assert value == "img"
    assert not re.search(r"url\(|@import|<!--", text)
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    steps = itertools.pairwise(levels)
    assert all(after - before <= 1 for before, after in steps), levels
    pictures = sum((tag, name) == ("svg", "role") for tag, name, _ in page.attributes)
    said = [v for tag, name, v in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(said) == pictures and all(said)
    assert ("meta", "content", "width=device-width, initial-scale=1") in page.attributes
    return page
