// Elements without markup strings: text is always text, so no datum can become code.
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

// Writes only what changed: the browser then has nothing to lay out anew.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttr(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// Puts children into the given order, moving as few as possible and keeping the focus.
export function arrange(parent, nodes) {
  const focused = document.activeElement;
  let moved = false;
  nodes.forEach((node, i) => {
    if (parent.children[i] !== node) {
      parent.insertBefore(node, parent.children[i] ?? null);
      moved = true;
    }
  });
  if (moved && focused && parent.contains(focused) && document.activeElement !== focused)
    focused.focus({ preventScroll: true });
}

// A group of buttons of which one is pressed.
export function choice(label, options, chosen, onchoose) {
  const buttons = options.map(([value, text]) =>
    el("button", {
      type: "button",
      text,
      "aria-pressed": String(value === chosen),
      onclick: () => {
        buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(options[i][0] === value)));
        onchoose(value);
      },
    }),
  );
  return el("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
}

const css = getComputedStyle(document.documentElement);
export const colour = (name) => css.getPropertyValue(name).trim();

// Sizes a canvas for the screen's pixels; true when that cleared it.
export function fit(canvas, width, height) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width === w && canvas.height === h) return false;
  canvas.width = w;
  canvas.height = h;
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  return true;
}

export const PX_PER_MM = 96 / 25.4; // a CSS millimetre, as near as a browser can tell
