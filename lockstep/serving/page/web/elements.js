// Elements of the page. Everything that the server says is inserted as text; nothing makes HTML of it.

const SVG = "http://www.w3.org/2000/svg";

const by = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

function put(element, ...children) {
  element.replaceChildren(...present(children));
}

const present = (children) => children.flat().filter((child) => child !== null && child !== undefined && child !== "");
