// Elements: creating them, and keeping a list of them in step with data.

export function element(name, content, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  if (content !== undefined && content !== null) made.append(...[content].flat());
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

export function fromTemplate(id) {
  return byId(id).content.cloneNode(true).firstElementChild;
}

// Writes only what changed, so that a selection and the focus stay.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Makes the children of list those of items, in their order. Items with a known key keep
// their child; create(item) makes a new one, and update(child, item) writes into each.
export function keepInStep(list, items, key, create, update) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    let child = known.get(key(item));
    if (child) {
      known.delete(key(item));
    } else {
      child = create(item);
      child.dataset.key = key(item);
    }
    if (list.children[place] !== child) list.insertBefore(child, list.children[place] ?? null);
    update(child, item);
  });
  for (const child of known.values()) child.remove();
}

export function linkToRule(link, rule) {
  link.href = `/rules/${rule}`;
  setText(link, `All ways out of ${rule}`);
}

export function copyOnClick(button, text) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
