/** Unpacks and hashes a gzip trace while the main thread reads what is unpacked (see `unpack.ts`). */

import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { createGunzip } from 'node:zlib';
import { type FromUnpacking, type ToUnpacking, UNPACKED_BYTES } from './unpack.ts';

async function unpack(port: NonNullable<typeof parentPort>): Promise<void> {
  const gunzip = createGunzip({ chunkSize: UNPACKED_BYTES });
  const hash = createHash('sha256');
  const free: ArrayBuffer[] = [];
  let onFree: (() => void) | null = null;
  const tell = (message: FromUnpacking, moved: ArrayBuffer[] = []) => port.postMessage(message, moved);
  port.on('message', (message: ToUnpacking) => {
    if (message.kind === 'packed') gunzip.write(message.bytes, () => tell({ kind: 'taken' }));
    else if (message.kind === 'end') gunzip.end();
    else {
      free.push(message.memory);
      onFree?.();
    }
  });
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      hash.update(chunk);
      while (free.length === 0) {
        await new Promise<void>((resolve) => {
          onFree = resolve;
        });
      }
      const memory = free.pop()!;
      new Uint8Array(memory).set(chunk);
      tell({ kind: 'unpacked', memory, length: chunk.length }, [memory]);
    }
    tell({ kind: 'done', sha256: hash.digest('hex') });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    tell({ kind: 'failed', code, message });
  }
}

if (parentPort !== null) await unpack(parentPort);
