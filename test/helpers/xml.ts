/** A small strict XML reader: elements, attributes, text and the five entities; anything else is an error. */

export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const ATTRIBUTE = /([\w:.-]+)="([^"<]*)"/y;

export function parseXml(text: string): Element {
  const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
  if (!text.startsWith(declaration)) throw new Error('no XML declaration');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 forbids them
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u.test(text))
    throw new Error('no XML character');
  const root: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  for (const [, tag, words] of text.slice(declaration.length).matchAll(/<([^>]*)>|([^<]+)/g)) {
    const inner = open.at(-1)!;
    if (words !== undefined) {
      inner.text += decoded(words);
    } else if (tag.startsWith('/')) {
      if (inner.name !== tag.slice(1)) throw new Error(`</${tag.slice(1)}> ends <${inner.name}>`);
      open.pop();
    } else {
      const element = elementOf(tag.replace(/\/$/, ''));
      inner.children.push(element);
      if (!tag.endsWith('/')) open.push(element);
    }
  }
  if (open.length !== 1 || root.children.length !== 1 || root.text.trim() !== '')
    throw new Error('not one whole element');
  return root.children[0];
}

function elementOf(tag: string): Element {
  const name = /^[A-Za-z_][\w.-]*/.exec(tag)?.[0];
  if (name === undefined) throw new Error(`<${tag}>`);
  const attributes: Record<string, string> = {};
  let at = name.length;
  while (at < tag.trimEnd().length) {
    while (tag[at] === ' ') at++;
    ATTRIBUTE.lastIndex = at;
    const match = ATTRIBUTE.exec(tag);
    if (match === null || Object.hasOwn(attributes, match[1])) throw new Error(`attributes of <${tag}>`);
    attributes[match[1]] = decoded(match[2]);
    at = ATTRIBUTE.lastIndex;
  }
  return { name, attributes, children: [], text: '' };
}

function decoded(text: string): string {
  return text.replace(/&([^;]{0,8};)?/g, (whole, entity?: string) => {
    const character = ENTITIES[entity?.slice(0, -1) ?? ''];
    if (character === undefined) throw new Error(`entity ${whole}`);
    return character;
  });
}
