/** Text for terminals: nothing that came with a trace, a platform or a model may steer them. */

// C0 and C1 controls, DEL, line and paragraph separators, bidirectional overrides, zero-width characters, the BOM.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** The text with unsafe characters spelled out: `\u001b`. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As `visible`, for text of several lines of our own. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n');
}

/** `1,234,567`. */
export function formatCount(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `12.3 ms`. */
export function formatDuration(ns: number): string {
  let value = ns;
  let unit = 'ns';
  for (const [next, factor] of [
    ['us', 1000],
    ['ms', 1000],
    ['s', 1000],
  ] as const) {
    if (value < 1000) break;
    value /= factor;
    unit = next;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)} ${unit}`;
}

/** `3.14`, three figures. */
export function formatRatio(value: number): string {
  if (Number.isInteger(value)) return formatCount(value);
  return value >= 100 ? formatCount(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 2);
}

/** Breaks at spaces so that no line is longer than `width`, except where one word is; later lines start with `indent`. */
export function wrap(text: string, width: number, indent = ''): string[] {
  const [first, ...words] = text.trimStart().split(' ');
  const lines: string[] = [];
  let line = ' '.repeat(text.length - text.trimStart().length) + first;
  for (const word of words) {
    if (line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent + word;
    } else {
      line += ` ${word}`;
    }
  }
  lines.push(line);
  return lines;
}
