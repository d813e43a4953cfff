// Elements from code. Texts are always texts: nothing here takes markup.

/** An element with attributes and children. `on…` are listeners; false and null leave an attribute out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** Changes a text only where it differs, so that what somebody selects stays selected. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces children only where `key` differs from the last time. */
export function fill(element, key, make) {
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(...[make()].flat().filter((child) => child != null));
}
