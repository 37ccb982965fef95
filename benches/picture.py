#!/usr/bin/env python3
"""picture.py OLD.json NEW.json [TITLE]: draws an update as an SVG on standard output. OLD.json and NEW.json are what
`restrata rechunk --format json` printed for two versions of one image, the second with the first as --previous. Each box is a
layer, as tall as its share of the image. A layer with the same digest in both versions stays; the others travel."""
import json
import sys
from html import escape

WIDTH, HEIGHT, TOP, GAP = 790, 440, 64, 2
LEFT, RIGHT, BOX = 40, 330, 150
STATES = {"kept": "kept: clients have them", "cleaned": "rewritten without dead entries", "merged": "merged from several layers",
          "rewritten": "rewritten", "fresh": "new"}


def size(n):
    for unit, factor in ("GB", 1e9), ("MB", 1e6), ("kB", 1e3):
        if n >= factor:
            value = n / factor
            return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{n} B"


def stack(layers, whole):
    """Where each layer's box is, bottom layer lowest: (top, height), one pixel high at least."""
    room = HEIGHT - TOP - 30 - GAP * len(layers)
    at, boxes = HEIGHT - 30, []
    for layer in layers:
        height = max(1.0, room * layer["size"] / whole)
        at -= height + GAP
        boxes.append((at, height))
    return boxes


def main(old, new, title="One update"):
    with open(old) as f:
        old = json.load(f)["layers"]
    with open(new) as f:
        new = json.load(f)["layers"]
    # The same scale for both, with room for boxes of one pixel.
    whole = max(sum(l["size"] for l in old), sum(l["size"] for l in new)) * 1.05
    before, after = stack(old, whole), stack(new, whole)
    places = {l["digest"]: box for l, box in zip(old, before)}
    kept = [l for l in new if l["digest"] in places]
    travels = [l for l in new if l["digest"] not in places]
    total, sent = sum(l["size"] for l in new), sum(l["size"] for l in travels)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
           f'<title id="t">{escape(title)}</title>',
           f'<desc id="d">{len(kept)} of {len(new)} layers stay byte for byte; clients download the others, {size(sent)} of {size(total)}.</desc>',
           '<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.h{font-weight:600;font-size:15px}.s{fill:#59636e}'
           '.bg{fill:#fff}.kept{fill:#c8d1da}.gone{fill:#eceff2;stroke:#c8d1da;stroke-dasharray:3 2}.line{fill:#c8d1da;opacity:.35}'
           '.cleaned,.merged,.rewritten{fill:#e39b3a}.fresh{fill:#2b7bd6}'
           '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.bg{fill:#0d1117}.kept{fill:#59636e}'
           '.gone{fill:#161b22;stroke:#59636e}.line{fill:#59636e;opacity:.3}.cleaned,.merged,.rewritten{fill:#d29922}.fresh{fill:#4493f8}}</style>',
           f'<rect class="bg" width="{WIDTH}" height="{HEIGHT}"/>',
           f'<text class="h" x="{LEFT}" y="28">published: v1</text><text class="s" x="{LEFT}" y="46">{size(sum(l["size"] for l in old))} in {len(old)} layers</text>',
           f'<text class="h" x="{RIGHT}" y="28">new: v2</text><text class="s" x="{RIGHT}" y="46">{size(total)} in {len(new)} layers</text>']
    names = {l["digest"] for l in new}
    for layer, (top, height) in zip(old, before):
        kind = "kept" if layer["digest"] in names else "gone"
        out.append(f'<rect class="{kind}" x="{LEFT}" y="{top:.1f}" width="{BOX}" height="{height:.1f}"/>')
    for layer, (top, height) in zip(new, after):
        if layer["digest"] in places:
            low, tall = places[layer["digest"]]
            out.append(f'<path class="line" d="M{LEFT + BOX} {low:.1f}L{RIGHT} {top:.1f}V{top + height:.1f}L{LEFT + BOX} {low + tall:.1f}Z"/>')
        kind = "kept" if layer["digest"] in places else layer["state"] if layer["state"] in STATES else "fresh"
        out.append(f'<rect class="{kind}" x="{RIGHT}" y="{top:.1f}" width="{BOX}" height="{height:.1f}"/>')
    y, x = TOP + 24, RIGHT + BOX + 30
    out.append(f'<text class="h" x="{x}" y="{y}">a plain client pulls {size(sent)}</text>')
    for state, words in STATES.items():
        of = [l for l in new if (l["digest"] in places) == (state == "kept") and (state == "kept" or l["state"] == state)]
        if of:
            y += 30
            count = f'{len(of)} layer{"s" * (len(of) != 1)}, {size(sum(l["size"] for l in of))}'
            out.append(f'<rect class="{state}" x="{x}" y="{y - 11}" width="13" height="13"/><text x="{x + 20}" y="{y}">{count}</text>'
                       f'<text class="s" x="{x + 20}" y="{y + 16}">{words}</text>')
            y += 16
    gone = [l for l in old if l["digest"] not in names]
    if gone:
        y += 30
        out.append(f'<rect class="gone" x="{x}" y="{y - 11}" width="13" height="13"/><text x="{x + 20}" y="{y}">{len(gone)} layer{"s" * (len(gone) != 1)} of v1</text>'
                   f'<text class="s" x="{x + 20}" y="{y + 16}">not in v2</text>')
    print("\n".join([*out, "</svg>"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
