/**
 * A checksum against damage: the tag of AES-GCM over bytes that are authenticated only (GMAC), with a key that everybody
 * knows. Nothing else in Node comes near its speed, and the reading of a compiled trace is little more than this.
 */

import { type CipherGCM, createCipheriv } from 'node:crypto';

export const CHECKSUM_BYTES = 16;

const KEY = Buffer.from('gmem-eval/arrow1');
const NONCE = Buffer.alloc(12);

/** Of bytes that come in pieces. */
export class Checksum {
  readonly #cipher: CipherGCM = createCipheriv('aes-128-gcm', KEY, NONCE);

  add(piece: Uint8Array): this {
    this.#cipher.setAAD(piece);
    return this;
  }

  /** Once, at the end. */
  value(): Buffer {
    this.#cipher.final();
    return this.#cipher.getAuthTag();
  }
}

export function checksum(bytes: Uint8Array): Buffer {
  return new Checksum().add(bytes).value();
}
