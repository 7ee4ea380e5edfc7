/** CRC-32 of zlib and gzip, so that other tools can check a compiled trace as well. */

import * as zlib from 'node:zlib';

/** Node has it from 20.15 on; a named import would not load before. */
const native = (zlib as { crc32?: (data: Uint8Array, before?: number) => number }).crc32;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** What `crc32` gives, byte by byte: slow, for a Node without it. */
export function plainCrc32(data: Uint8Array, before = 0): number {
  let value = ~before;
  for (const byte of data) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}

/** Of `data` after data whose checksum is `before`. */
export const crc32: (data: Uint8Array, before?: number) => number = native ?? plainCrc32;
