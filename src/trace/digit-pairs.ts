/**
 * Two hex characters at a time: a table by the 16-bit number that two ASCII characters are in memory (the first one is
 * the low byte), so that a number takes half as many steps.
 */

const ZERO = 48;

/** Hex: below `ONE_HEX` the value of two digits; below `NO_HEX` `ONE_HEX` + one digit; else no digit comes first. */
export const HEX_PAIRS = new Uint16Array(65_536);
export const ONE_HEX = 256;
export const NO_HEX = 512;

function hexDigit(code: number): number {
  if (code >= ZERO && code <= 57) return code - ZERO;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

const digits = Int8Array.from({ length: 256 }, (_, code) => hexDigit(code));
for (let second = 0; second < 256; second++) {
  for (let first = 0; first < 256; first++) {
    const pair = first | (second << 8);
    const a = digits[first];
    const b = digits[second];
    HEX_PAIRS[pair] = a < 0 ? NO_HEX : b < 0 ? ONE_HEX + a : a * 16 + b;
  }
}
