"""Request bodies that look like a tracker's: about 300 bytes for an event of a batch,
500 for a single one."""

import datetime
import json
import random

# Replaced in each request by an id of the same length, unique in the run.
PLACEHOLDER = "@session-id@"

SPREAD = datetime.timedelta(minutes=1)

LANGUAGES = ["de-DE", "en-GB", "en-US", "fr-FR", "pl-PL"]
SCREENS = [(1920, 1080), (1536, 864), (390, 844), (2560, 1440), (360, 800)]
PAGES = [("/", "Start"),
         ("/schuhe/wanderschuhe-für-damen", "Wanderschuhe für Damen | Größe 36–43"),
         ("/checkout/shipping", "Versand und Zahlung"),
         ("/blog/2026/how-to-choose-a-tent", "How to choose a tent"),
         ("/search?q=sleeping+bag&sort=price", "Search: sleeping bag")]
REFERRERS = ["https://www.google.com/", "https://duckduckgo.com/?q=tent", "",
             "https://news.example.org/outdoor/gear-of-the-year"]
# Not in the body: the requests' header.
USER_AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
               "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
               "Chrome/126.0.0.0 Safari/537.36",
               "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
               "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
               "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
               "Chrome/126.0.0.0 Mobile Safari/537.36"]


def _data(rng, kind):
    if kind == "click":
        return {"element": f"button#add-to-cart-{rng.randrange(1000)}", "text": "Add to cart",
                "x": rng.randrange(1900), "y": rng.randrange(1000), "button": 0}
    if kind == "scroll":
        return {"depth": rng.randrange(5, 100), "maxDepth": 100, "direction": "down",
                "elapsedMs": rng.randrange(100, 60000)}
    return {"loadTimeMs": rng.randrange(200, 4000), "campaign": "autumn-sale",
            "utm": {"source": "newsletter", "medium": "email"}, "returning": rng.random() < 0.5}


def _event(rng, now):
    kind = rng.choice(["pageview", "click", "scroll"])
    path, title = rng.choice(PAGES)
    return {"eventType": kind, "timestamp": _text(now + rng.random() * SPREAD),
            "url": "https://shop.example.com" + path, "path": path, "title": title,
            "eventData": _data(rng, kind)}


def _context(rng, site):
    """What a tracker says once a request: about the visitor and the browser."""
    width, height = rng.choice(SCREENS)
    return {"siteId": site, "sessionId": PLACEHOLDER,
            "visitorId": f"vis_{rng.getrandbits(64):016x}",
            "referrer": rng.choice(REFERRERS), "language": rng.choice(LANGUAGES),
            "screen": {"width": width, "height": height},
            "viewport": {"width": width, "height": height - 120}}


def _body(rng, now, site, members, keyed):
    if members == 0:
        return {**_event(rng, now), **_context(rng, site)}
    key = {"batchId": PLACEHOLDER} if keyed else {}
    return {"eventType": "batch", "timestamp": _text(now), **key, **_context(rng, site),
            "events": [_event(rng, now) for _ in range(members)]}


def _text(when):
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(path, site, members, variants=None, keyed=False):
    """A file with one body a line. members: of each batch; 0: single events. keyed: batches
    have a batchId, unique like the session."""
    rng = random.Random(members)
    now = datetime.datetime.now(datetime.timezone.utc)
    with open(path, "w", encoding="utf-8") as f:
        for _ in range(variants or max(4, 64 // (members + 1))):
            f.write(json.dumps(_body(rng, now, site, members, keyed), ensure_ascii=False,
                               separators=(",", ":")) + "\n")


def rows(members):
    """Rows that one request becomes: a batch's envelope is stored too."""
    return members + 1
