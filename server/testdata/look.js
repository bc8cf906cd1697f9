// Returns what is wrong with the look of the page: sideways scrolling, text without enough contrast (WCAG 2.2, 1.4.3), and
// controls without a name.
(() => {
  const faults = new Set();
  const name = (e) => e.tagName.toLowerCase() + (e.id && "#" + e.id) + [...e.classList].map((c) => "." + c).join("");
  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) {
    faults.add(`the page is ${root.scrollWidth} wide in a window of ${root.clientWidth}`);
    for (const e of document.body.querySelectorAll("*")) {
      if (e.getBoundingClientRect().right > root.clientWidth + 1) faults.add("too wide: " + name(e));
    }
  }

  for (const e of document.body.querySelectorAll("*")) { // only code may scroll within its box
    const scrolls = /auto|scroll/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1;
    if (scrolls && !e.closest("pre, textarea, .curl, .highlight-code")) faults.add(`${name(e)} scrolls sideways: ${e.scrollWidth} in ${e.clientWidth}`);
  }

  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => { // of any notation
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const behind = (e) => e ? over(rgba(getComputedStyle(e).backgroundColor), behind(e.parentElement)) : [255, 255, 255];
  const opacity = (e) => e ? Number(getComputedStyle(e).opacity) * opacity(e.parentElement) : 1;
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  let texts = 0;
  for (const e of document.body.querySelectorAll("*")) {
    const own = e.value || [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!own || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || e.closest("svg, option, noscript, script, style") || e.disabled) continue;
    texts++;
    const style = getComputedStyle(e);
    const [r, g, b, a] = rgba(style.color);
    const back = behind(e);
    const front = over([r, g, b, a * opacity(e)], back);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = contrast(luminance(front), luminance(back));
    if (ratio < (large ? 3 : 4.5)) faults.add(`${ratio.toFixed(1)}:1 for ${name(e)} in ${name(e.parentElement)}: ${style.color} on ${back.map(Math.round)}`);
  }
  if (texts < 10) faults.add(`only ${texts} texts were found`);

  for (const e of document.body.querySelectorAll("input, select, textarea, button, a[href]")) {
    if (!e.checkVisibility()) continue;
    const named = e.labels?.length || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.title || e.placeholder;
    if (!named && !(e.matches("button, a") && e.textContent.trim())) faults.add(`no name: ${name(e)} in ${name(e.parentElement)} in ${name(e.parentElement.parentElement)}`);
  }
  return [...faults];
})()
