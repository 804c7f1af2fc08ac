/** The element with this id; it is in index.html. */
export function element<Type extends HTMLElement>(id: string, type: new () => Type): Type {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html: no ${type.name} with id "${id}"`);
  return found;
}

/** A new element with its properties and children. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Fills a select with options given as [value, text]; keeps the chosen value where it still exists. */
export function fillSelect(select: HTMLSelectElement, options: readonly (readonly [string, string])[]): void {
  const { value } = select;
  select.replaceChildren(...options.map(([value, text]) => make('option', { value, textContent: text })));
  if (options.some(([other]) => other === value)) select.value = value;
}

/** Hands a file to the visitor. */
export function download(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still be reading it
}

const announcer = () => element('announcer', HTMLElement);

/** Says something to screen readers, once the reader has finished what it is saying. */
export function announce(text: string): void {
  announcer().textContent = text;
}
