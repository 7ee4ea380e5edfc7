/**
 * Numbers of a trace. Addresses go up to 2^57, a double is exact up to 2^53: an address is therefore kept as a page
 * number (below 2^45) and a byte in the page, and digits are never gathered into one number that could round.
 */

import { PAGE_BYTES } from '../replay/mask.ts';

/** Pages of the address space: addresses lie below 2^57. */
export const ADDRESS_PAGES = 2 ** 45;

/** A quantity in bytes as pages and a rest below 4096. */
export interface PageBytes {
  pages: number;
  bytes: number;
}

export const NUMBER_OK = 0;
export const NUMBER_BAD = 1;
/** Above 2^57. */
export const NUMBER_LARGE = 2;

const ZERO = 48;
const SMALL_X = 120;
const LARGE_X = 88;

/** Reads `0x` hex or decimal into `into`; leaves it undefined when the result is not `NUMBER_OK`. */
export function parseBytes(text: string, into: PageBytes): number {
  const n = text.length;
  if (n > 2 && text.charCodeAt(0) === ZERO) {
    const x = text.charCodeAt(1);
    if (x === SMALL_X || x === LARGE_X) return parseHex(text, n, into);
  }
  if (n === 0) return NUMBER_BAD;
  if (n > 15) return parseLongDecimal(text, into);
  let value = 0;
  for (let i = 0; i < n; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return NUMBER_BAD;
    value = value * 10 + digit;
  }
  into.pages = Math.floor(value / PAGE_BYTES);
  into.bytes = value - into.pages * PAGE_BYTES;
  return NUMBER_OK;
}

/** The last three hex digits are the byte in the page. */
function parseHex(text: string, n: number, into: PageBytes): number {
  const split = n - 3;
  let pages = 0;
  let bytes = 0;
  for (let i = 2; i < n; i++) {
    const digit = hexDigit(text.charCodeAt(i));
    if (digit < 0) return NUMBER_BAD;
    if (i < split) pages = pages * 16 + digit;
    else bytes = bytes * 16 + digit;
  }
  into.pages = pages;
  into.bytes = bytes;
  return withinAddressSpace(into);
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** high x 10^9 + low, and 10^9 = 244,140 pages + 2,560 bytes: every step stays below 2^53. */
function parseLongDecimal(text: string, into: PageBytes): number {
  if (!/^[0-9]+$/.test(text)) return NUMBER_BAD;
  const digits = text.replace(/^0+/, '');
  // 2^57 = 144,115,188,075,855,872 has 18 digits.
  if (digits.length > 18) return NUMBER_LARGE;
  const high = Number(digits.slice(0, -9));
  const rest = high * 2560 + Number(digits.slice(-9));
  const carry = Math.floor(rest / PAGE_BYTES);
  into.pages = high * 244_140 + carry;
  into.bytes = rest - carry * PAGE_BYTES;
  return withinAddressSpace(into);
}

function withinAddressSpace(value: PageBytes): number {
  return value.pages < ADDRESS_PAGES || (value.pages === ADDRESS_PAGES && value.bytes === 0) ? NUMBER_OK : NUMBER_LARGE;
}

/** A whole decimal number of nanoseconds up to 2^53 - 1; NaN when it is none, Infinity when it is larger. */
export function parseTime(text: string): number {
  const n = text.length;
  if (n === 0) return Number.NaN;
  let value = 0;
  for (let i = 0; i < n; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : Number.POSITIVE_INFINITY;
}

/** A whole number, possibly negative, exact in a double; else NaN. */
export function parseInteger(text: string): number {
  if (!/^-?[0-9]+$/.test(text)) return Number.NaN;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value + 0 : Number.NaN;
}

/** `0x` form of page x 4096 + byte, exact. */
export function hexAddress(page: number, byte = 0): string {
  if (page === 0) return `0x${byte.toString(16)}`;
  return `0x${page.toString(16)}${byte.toString(16).padStart(3, '0')}`;
}
