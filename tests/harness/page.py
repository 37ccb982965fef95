#!/usr/bin/env python3
"""page.py PAGE DIR: opens the HTML file PAGE in headless Chromium, at 400 and 1,600 pixels, light and dark, and prints PASS and FAIL
lines: no console message, no request but for the file, nothing wider than the window, every label whole or hidden, contrast as
WCAG 2.2 AA asks (1.4.3, 1.4.11), headings and tables as assistive technology needs them. Screenshots go to DIR. The exit code is 0 when all was
looked at, whatever was found.
Chromium is driven through its debugging pipe: no server, no port."""
import base64
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

WIDTHS = (400, 1600)
SCHEMES = ("light", "dark")
TIMEOUT = 120  # seconds for one answer, on a machine that has other things to do


def verdict(good, text, found=""):
    print("PASS" if good else "FAIL", text + ("" if good or found == "" else f" -- {found}"), flush=True)


class Chromium:
    def __init__(self, profile):
        # The browser reads from its descriptor 3 and writes to 4; ours must not be those.
        theirs_in, self.out = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in os.pipe())
        self.into, theirs_out = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in os.pipe())

        def wire():
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)
        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            preexec_fn=wire, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        os.set_blocking(self.into, False)
        self.buffer, self.events, self.number = b"", [], 0

    def message(self):
        end = time.monotonic() + TIMEOUT
        while b"\0" not in self.buffer:
            try:
                piece = os.read(self.into, 1 << 20)
                if not piece:
                    sys.exit("chromium has gone")
                self.buffer += piece
            except BlockingIOError:
                if time.monotonic() > end:
                    sys.exit(f"chromium said nothing for {TIMEOUT} seconds")
                time.sleep(0.01)
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def ask(self, method, session=None, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if session:
            request["sessionId"] = session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while (answer := self.message()).get("id") != self.number:
            self.events.append(answer)
        if "error" in answer:
            sys.exit(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def close(self):
        """However it ends: nothing that is tested depends on it."""
        try:
            self.ask("Browser.close")
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.process.kill()
            self.process.wait()


# In the page: what a reader would see, as numbers.
MEASURE = r"""
(() => {
  const out = {labels: 0, cut: [], contrast: [], small: [], shapes: []};
  const paint = text => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = rgb => rgb.slice(0, 3).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((a, b) => b - a); return (x + 0.05) / (y + 0.05); };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = paint(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const hidden = new Set();
  for (const line of document.querySelectorAll('.treemap .lines > *')) {
    const box = line.getBoundingClientRect();
    if (box.width === 0) continue;
    let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
    for (let e = line.parentElement; !e.matches('.treemap'); e = e.parentElement) {
      if (!/hidden|clip/.test(getComputedStyle(e).overflow)) continue;
      const clip = e.getBoundingClientRect();
      [left, top] = [Math.max(left, clip.left), Math.max(top, clip.top)];
      [right, bottom] = [Math.min(right, clip.right), Math.min(bottom, clip.bottom)];
    }
    const [width, height] = [Math.max(0, right - left), Math.max(0, bottom - top)];
    if (width < 0.5 || height < 0.5) { hidden.add(line); continue; }
    out.labels++;
    const tile = line.closest('.tile').getBoundingClientRect();
    const inside = left >= tile.left - 0.5 && top >= tile.top - 0.5 && right <= tile.right + 0.5 && bottom <= tile.bottom + 0.5;
    // So few letters of a longer name that nobody knows it by them.
    const unknowable = line.scrollWidth > line.clientWidth && width < 70;
    if (!inside || unknowable || width < box.width - 0.5 || height < box.height - 0.5) out.cut.push(line.textContent);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.closest('svg') || [...hidden].some(h => h.contains(element))) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const found = ratio(paint(style.color), behind(element));
    if (found < least) out.contrast.push(`${node.textContent.trim().slice(0, 30)}: ${found.toFixed(2)}`);
    if (size < 12) out.small.push(`${node.textContent.trim().slice(0, 30)}: ${size}px`);
  }
  for (const shape of document.querySelectorAll('svg path, i.new, i.index, i.rest, .treemap .new')) {
    const style = getComputedStyle(shape);
    const color = [style.fill, style.stroke, style.backgroundColor];
    const own = shape.matches('path') ? (style.fill === 'none' ? color[1] : color[0]) : color[2];
    const found = ratio(paint(own), behind(shape.parentElement));
    if (found < 3) out.shapes.push(`${shape.getAttribute('class')}: ${found.toFixed(2)}`);
  }
  out.shapes = [...new Set(out.shapes)];
  out.width = document.documentElement.scrollWidth;
  out.height = document.documentElement.scrollHeight;
  out.scrolls = [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.getAttribute('aria-label'));
  // Of each pair the one that is drawn for this width.
  const shown = ['.treemap.narrow', '.treemap.wide'].map(s => [...document.querySelectorAll(s)].map(e => e.checkVisibility()));
  out.treemaps = shown[0].every((narrow, i) => narrow !== shown[1][i]) && shown[0].length > 0;
  document.querySelectorAll('details').forEach(e => e.open = true);
  out.unfolded = document.documentElement.scrollWidth;
  document.querySelectorAll('details').forEach(e => e.open = false);
  return out;
})()
"""

# Things of which every one is a fault.
FAULTS = r"""
(() => {
  const out = [];
  const all = selector => [...document.querySelectorAll(selector)];
  if (!document.title) out.push('no title');
  if (document.documentElement.lang !== 'en') out.push('no lang');
  if (all('h1').length !== 1) out.push(`${all('h1').length} h1`);
  all('h1, h2, h3, h4').map(h => +h.tagName[1]).reduce((a, b) => { if (b > a + 1) out.push(`h${b} below h${a}`); return b; }, 0);
  if (all('main').length !== 1) out.push('no main');
  all('th').filter(e => !e.scope && !e.ariaHidden).forEach(e => out.push(`th without scope: ${e.textContent}`));
  all('table').filter(e => !e.closest('.scroll')).forEach(() => out.push('a table without a box of its own'));
  all('.scroll, svg, .treemap, .stack').filter(e => !e.getAttribute('aria-label')).forEach(e => out.push(`${e.tagName} without a label`));
  all('svg path').filter(e => !e.querySelector('title')).forEach(() => out.push('a shape without a title'));
  all('script, iframe, object, embed, img, form, base').forEach(e => out.push(`<${e.localName}>`));
  all('*').forEach(e => [...e.attributes].filter(a => /^on/i.test(a.name)).forEach(a => out.push(`attribute ${a.name}`)));
  const ids = all('[id]').map(e => e.id);
  if (new Set(ids).size !== ids.length) out.push('an id twice');
  return out;
})()
"""


def main(page, shots):
    url = pathlib.Path(page).resolve().as_uri()
    name = pathlib.Path(page).stem
    pathlib.Path(shots).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(profile)
        try:
            look(browser, url, name, shots)
        finally:
            browser.close()


def look(browser, url, name, shots):
    target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
    session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def ask(method, **params):
        return browser.ask(method, session, **params)

    def evaluate(script):
        result = ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            sys.exit(f"the test's own script: {result['exceptionDetails']}")
        return result["result"]["value"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        ask(f"{domain}.enable")
    for width in WIDTHS:
        for scheme in SCHEMES:
            what = f"page {name}, {width} px, {scheme}"
            browser.events.clear()
            ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
            ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            ask("Page.navigate", url=url)
            browser.wait("Page.loadEventFired")
            found = evaluate(MEASURE)
            verdict(max(found["width"], found["unfolded"]) <= width, f"{what}: nothing is wider than the window", found)
            verdict(not found["cut"] and found["labels"] > 2, f"{what}: {found['labels']} labels of the treemap are whole", found["cut"])
            verdict(found["treemaps"], f"{what}: one treemap of two shows")
            verdict(not found["contrast"] and not found["shapes"], f"{what}: contrast", found["contrast"][:5] + found["shapes"])
            verdict(not found["small"], f"{what}: no letters below 12 px", found["small"][:5])
            if found["scrolls"]:
                print(f"# {what}: to be scrolled sideways: {', '.join(found['scrolls'])}")
            shot(ask, f"{shots}/{name}-{width}-{scheme}.png", width, found["height"])
            said = [event for event in browser.events
                    if event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")]
            verdict(not said, f"{what}: nothing on the console", said)
            urls = {event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"}
            verdict({u for u in urls if not u.startswith("data:")} == {url}, f"{what}: the file is all that is asked for", urls)
    faults = evaluate(FAULTS)
    verdict(not faults, f"page {name}: headings, tables and labels", faults)


def shot(ask, path, width, height):
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, 16_000), "scale": 1}
    data = ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
    pathlib.Path(path).write_bytes(base64.b64decode(data))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
