/** Sizes as people write them: bytes, or K/KiB, M/MiB, G/GiB, T/TiB, all powers of two. */

const FACTORS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Whole bytes, or null when the text is not a size below 2^53. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(?:([KMGT])(?:iB)?|B)?$/.exec(text.trim());
  if (match === null) return null;
  const bytes = Number(match[1]) * FACTORS[match[2] ?? ''];
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** `1.50 GiB`; whole numbers of a unit without decimals. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 'B';
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)} ${unit}`;
}
